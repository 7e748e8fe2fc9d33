"""`mailbox_events`: what was appended, as it lies in the log, for those who follow.

A record holds a run of one mailbox's events, sealed as they are stored and without the salts of messages' own keys. So
what a broker keeps is as unreadable as the log itself, and becomes so for ever with the key or salt that is destroyed,
on every copy and at once. An event that is too large for a record is only named: whoever needs it reads the log.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Connection

from domain.ids import MailboxId
from infra.followers import ViewUnavailableError
from infra.kafka.cluster import KafkaUnavailableError
from infra.kafka.in_hand import Taken
from infra.kafka.publisher import MAX_RECORD_BYTES, Publisher
from infra.kafka.publishing import NAME
from infra.store.mapper import StoredRow
from infra.store.recorder import MailboxRecorder

GATHERED_BYTES = 16 * 2**20
AROUND_BYTES = 300
"""A row's hash, names and numbers, at most."""

_MAILBOX = re.compile(r"[a-z0-9_-]{1,100}", re.ASCII)
_log = logging.getLogger(__name__)


class SealedRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of the log without its mailbox and salt."""

    seq: int
    topic: str
    state: bytes
    recorded_at: int
    key_id: str
    hash: bytes


class CapturedRow(msgspec.Struct, frozen=True):
    """A row of `stored_events` as change data capture publishes it, in JSON: octets in base64 (docs/deploy.md)."""

    originator_id: MailboxId
    originator_version: int
    topic: str
    state: bytes
    recorded_at: int
    key_id: str
    hash: bytes


class Published(msgspec.Struct, frozen=True, array_like=True):
    """A record: the mailbox, the seq up to which its log goes at least, and rows that follow one another."""

    mailbox_id: MailboxId
    head: int
    rows: tuple[SealedRow, ...]


def encoded(published: Published) -> bytes:
    """The value of a record."""
    return msgspec.msgpack.encode(published)


def read_published(taken: Taken) -> Published | None:
    """What a record says; one that cannot be read stops nobody, for the log has all, and sweeps find it there."""
    try:
        published = _decoded(taken.value or b"")
    except msgspec.DecodeError as error:
        _log.error("events: partition %d at %d cannot be read: %s", taken.partition, taken.offset, error)
        return None
    if _MAILBOX.fullmatch(published.mailbox_id) is None or not all(0 < row.seq < 2**63 for row in published.rows):
        _log.error("events: partition %d at %d names no mailbox or place of ours", taken.partition, taken.offset)
        return None
    return published


def _decoded(value: bytes) -> Published:
    if not value.startswith(b"{"):
        return msgspec.msgpack.decode(value, type=Published)
    row = msgspec.json.decode(value, type=CapturedRow)
    sealed = SealedRow(row.originator_version, row.topic, row.state, row.recorded_at, row.key_id, row.hash)
    return Published(row.originator_id, sealed.seq, (sealed,))


def runs(mailbox_id: MailboxId, rows: Sequence[StoredRow], *, most_bytes: int = MAX_RECORD_BYTES) -> list[Published]:
    """These rows in records of at most that size, in order."""
    made: list[Published] = []
    run: list[SealedRow] = []
    size = 0
    for row in rows:
        more = len(row.state) + AROUND_BYTES
        if run and size + more > most_bytes:
            made.append(Published(mailbox_id, run[-1].seq, tuple(run)))
            run, size = [], 0
        if more > most_bytes:
            made.append(Published(mailbox_id, row.seq, ()))
            continue
        run.append(SealedRow(row.seq, row.topic, row.state, row.recorded_at, row.key_id, row.hash))
        size += more
    if run:
        made.append(Published(mailbox_id, run[-1].seq, tuple(run)))
    return made


class SealedLog:
    """The log as it lies, for a follower."""

    def __init__(self, recorder: MailboxRecorder) -> None:
        self._recorder = recorder

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> Sequence[StoredRow]:
        """At most `limit` rows after `since`."""
        return self._recorder.rows_after(mailbox_id, since, limit=limit)


class EventsView:
    """The view that publishes: its cursor moves when the brokers have what lies before it. At least once, in order."""

    name = NAME

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._gathered: list[tuple[str, bytes]] = []
        self._bytes = 0

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """The cursor as stored."""
        return applied_seq

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[StoredRow]) -> int:
        """Gather them, as far as there is room."""
        reached = events[0].seq - 1
        for published in runs(mailbox_id, events):
            if self._bytes >= GATHERED_BYTES:
                break
            value = encoded(published)
            self._gathered.append((mailbox_id, value))
            self._bytes += len(value)
            reached = published.head
        return reached

    def settle(self) -> None:
        """Publish what was gathered, all mailboxes by one flush."""
        gathered, self._gathered, self._bytes = self._gathered, [], 0
        try:
            self._publisher.publish(self._topic, gathered)
        except KafkaUnavailableError as outage:
            raise ViewUnavailableError(str(outage)) from outage
