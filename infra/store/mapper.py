"""From an event to its sealed bytes and back, and the hash over them.

Sealed bytes: AES-256-GCM under the mailbox's key; AAD: mailbox, seq, topic. Inside: four lengths (4 octets each,
big-endian) and the sections structure, personal, who, server. The personal section is sealed once more under the
message's own key, derived from the mailbox's key and the message's salt.
"""

import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from domain import stored_form
from domain.chain import event_hash
from domain.events import (
    BY_TOPIC,
    Event,
    MessageDelivered,
    MessageReparsed,
    RecipientReported,
    RecordedEvent,
    SubmissionQueued,
    Who,
)
from domain.ids import MailboxId, MessageId
from domain.public_form import public_event
from domain.stored_form import Sections
from infra.keys import MailboxKey
from infra.sealing import SealBrokenError, message_key, open_sealed, seal, seal_once

_LENGTHS = struct.Struct(">4I")


class StoredRow(msgspec.Struct, frozen=True):
    """One row of the log as it lies in the database, with the salt of its personal section where it still exists."""

    mailbox_id: MailboxId
    seq: int
    topic: str
    state: bytes
    recorded_at: int
    key_id: str
    hash: bytes
    salt: bytes | None = None


def keyed_message(event: Event) -> MessageId | None:
    """The message under whose own key the event's personal section is sealed."""
    match event:
        case MessageDelivered():
            return event.id
        case MessageReparsed() | SubmissionQueued() | RecipientReported():
            return event.message_id
        case _:
            return None


def _aad(mailbox_id: str, seq: int, topic: str) -> bytes:
    return b"%b\0%d\0%b" % (mailbox_id.encode(), seq, topic.encode())


def to_stored(
    key: MailboxKey,
    event: Event,
    who: Who,
    *,
    mailbox_id: MailboxId,
    seq: int,
    recorded_at: int,
    before: bytes,
    salt: bytes | None,
) -> StoredRow:
    """The row that records `event` at `seq` after the hash `before`; `salt` where it has a personal section."""
    sections = stored_form.encode(event, who)
    aad = _aad(mailbox_id, seq, event.TOPIC)
    personal = sections.personal
    if personal and salt is not None:
        personal = seal_once(message_key(key.secret, salt), personal, aad + b"\0personal")
    lengths = _LENGTHS.pack(len(sections.structure), len(personal), len(sections.who), len(sections.server))
    plain = b"".join((lengths, sections.structure, personal, sections.who, sections.server))
    sealed = seal(key.secret, plain, aad)
    chained = event_hash(
        before,
        mailbox_id,
        seq,
        topic=event.TOPIC,
        recorded_at=recorded_at,
        key_id=key.key_id,
        sealed=sealed,
    )
    return StoredRow(mailbox_id, seq, event.TOPIC, sealed, recorded_at, key.key_id, chained, salt)


class Opened(msgspec.Struct, frozen=True):
    """The sections of a stored event; `personal_redacted` where the message's own key is gone."""

    sections: Sections
    personal_redacted: bool


def open_row(key: MailboxKey, row: StoredRow) -> Opened:
    """The sections of a row, its personal one opened where the salt still exists.

    Raises:
        SealBrokenError: the bytes are not what was sealed under this key.
    """
    aad = _aad(row.mailbox_id, row.seq, row.topic)
    plain = open_sealed(key.secret, row.state, aad)
    lengths = _LENGTHS.unpack_from(plain)
    if sum(lengths) + _LENGTHS.size != len(plain):
        raise SealBrokenError(f"event {row.seq} of {row.mailbox_id} is cut short")
    parts, start = [], _LENGTHS.size
    for length in lengths:
        parts.append(plain[start : start + length])
        start += length
    structure, personal, who, server = parts
    if not personal:
        return Opened(Sections(structure, b"", who, server), False)
    if row.salt is None:
        return Opened(Sections(structure, b"", who, server), True)
    opened = open_sealed(message_key(key.secret, row.salt), personal, aad + b"\0personal")
    return Opened(Sections(structure, opened, who, server), False)


class Mapper:
    """Reads rows of the log: as events for folds, as public JSON for `/sync`. Old versions are upcast on the way."""

    def __init__(self, upcasters: Mapping[str, tuple[str, stored_form.Upcast]] = stored_form.UPCASTERS) -> None:
        self._upcasters = upcasters

    def to_recorded(self, key: MailboxKey | None, row: StoredRow) -> RecordedEvent:
        """The event in its current version; redacted where keys are gone, never an error for that."""
        if key is None:
            return RecordedEvent(row.seq, row.topic, row.recorded_at, None, redacted=True)
        opened = open_row(key, row)
        event = stored_form.decode(row.topic, opened.sections, self._upcasters)
        who = stored_form.decode_who(opened.sections.who)
        return RecordedEvent(row.seq, event.TOPIC, row.recorded_at, event, who, opened.personal_redacted)

    def to_public(self, key: MailboxKey | None, row: StoredRow) -> bytes:
        """The event's JSON in `/sync`.

        Raises:
            UnknownTopicError: a newer version wrote it; shown as it is it would not be what the contract says.
        """
        if key is None:
            return public_event(row.seq, row.topic, row.recorded_at, structure=None, personal=b"", redacted=True)
        opened = open_row(key, row)
        topic, sections = row.topic, opened.sections
        if topic in self._upcasters:
            topic, sections = stored_form.upcast(topic, sections, self._upcasters)
        if topic not in BY_TOPIC:
            raise stored_form.UnknownTopicError(topic)
        return public_event(
            row.seq,
            topic,
            row.recorded_at,
            structure=sections.structure,
            personal=sections.personal,
            redacted=opened.personal_redacted,
        )


def row_from(record: Any) -> StoredRow:
    """A row from a tuple of the columns mailbox, seq, topic, state, recorded_at, key_id, hash, salt."""
    mailbox_id, seq, topic, state, recorded_at, key_id, chained, salt = record
    return StoredRow(mailbox_id, seq, topic, state, recorded_at, key_id, chained, salt)
