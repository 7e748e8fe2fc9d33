"""A record of `incoming_emails` as read, and in the hands of a process."""

import re

import msgspec

from gateways.queue import SUSPECT, Leased, QueueRecord
from infra.kafka.in_hand import Taken
from infra.postgres_queue import decoded

_NAME = re.compile(r"[a-zA-Z0-9._/-]{1,200}", re.ASCII)


class UnusableRecordError(Exception):
    """Nothing can be made of a record."""


class Held:
    """A record in the hands of this process; `copies` are all that came of it out of the topic."""

    def __init__(self, record: QueueRecord, first: Taken) -> None:
        self.record = record
        self.copies = [first]
        self.open = set(range(len(record.envelope.recipients)))
        self.until_ms = 0
        self.interruptions = -1

    def lease(self, until_ms: int) -> Leased:
        """Its open recipients, for whoever delivers them until then."""
        self.until_ms = until_ms
        self.interruptions = max(self.interruptions, min(self.interruptions + 1, SUSPECT))
        return Leased(self.record, tuple(sorted(self.open)), {}, self.interruptions)

    def hand_back(self) -> None:
        """Not begun by whoever had it."""
        self.until_ms = 0
        if self.interruptions <= SUSPECT:
            self.interruptions -= 1

    def take_alone(self) -> None:
        """Whoever has it has nothing else in hand."""
        self.interruptions = max(self.interruptions, SUSPECT) + 1

    def add(self, copy: Taken) -> None:
        """It came once more: its offset is settled with the others, and not before."""
        if copy not in self.copies:
            self.copies.append(copy)


def read_record(taken: Taken) -> QueueRecord:
    """The record: such that no database stumbles over it, and nobody waits for ever behind it.

    Raises: UnusableRecordError
    """
    try:
        record = decoded(taken.value or b"")
    except msgspec.DecodeError as error:
        raise UnusableRecordError(f"cannot be read: {error}") from error
    if not record.envelope.recipients:
        raise UnusableRecordError("names no recipient")
    if not (_NAME.fullmatch(record.acceptance_id) and _NAME.fullmatch(record.blob)):
        raise UnusableRecordError("its id or its object's name is none of ours")
    if not 0 <= record.envelope.size_bytes < 2**53:
        raise UnusableRecordError("its size is none")
    return record
