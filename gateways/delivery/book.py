"""The port to what delivery keeps beside the log: extracts, touched objects, which acceptance was the first."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from domain.ids import MailboxId
from gateways.mime.structure import ParsedMessage


class Entry(msgspec.Struct, frozen=True):
    """One opened record: what was read, and the sizes of the attachments about to be split out, by object name.

    `fingerprint` is of Message-ID and content as it arrived; empty for a message that has no Message-ID.
    """

    acceptance_id: str
    received_at: int
    blob: str
    parsed: ParsedMessage
    attachments: Mapping[str, int]
    fingerprint: bytes
    mailboxes: tuple[MailboxId, ...]


class Book(Protocol):
    """Written before the append."""

    def enter(self, entries: Sequence[Entry]) -> Mapping[tuple[str, MailboxId], str]:
        """Touch and hold the attachments for the record, keep what was read, and say for each (acceptance id, mailbox)
        which acceptance came first with this message within the days of a sender's repeat: itself, or another.

        Two that race get the same answer. Safe to repeat.
        """
        ...
