"""The port to the queue: what was accepted and is not yet delivered, as references, never bodies.

A record is one acceptance and names all its recipients. It is leased by one worker at a time; whatever is leased twice
after a crash is delivered once, because delivery is idempotent by acceptance id and mailbox.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from gateways.envelope import Envelope, Recipient

SUSPECT = 2
"""So many workers died while they held a record among others: it may be what they died of, and is tried alone."""


class QueueUnavailableError(Exception):
    """The server behind the queue does not answer: waited out, it counts against no record."""


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted message: where its bytes lie, and its envelope. `envelope.acceptance_id` is its key."""

    envelope: Envelope
    blob: str
    submission_recipients: tuple[int, ...] = ()
    """For each recipient of the envelope its index in the submission it comes from; empty for other mail."""
    is_shared: bool = False
    """Whether recipients of that submission are elsewhere too (`gateways.delivery.joint_notice`)."""

    @property
    def acceptance_id(self) -> str:
        """The key: no other acceptance has it."""
        return self.envelope.acceptance_id


class Leased(msgspec.Struct, frozen=True):
    """A record in a worker's hands: which recipients (indices) are due, and how often each has failed.

    `interruptions` says how often workers died while they held the record: up to `SUSPECT`, whatever else they held;
    above it, those that had it alone (`Queue.take_alone`).
    """

    record: QueueRecord
    recipients: tuple[int, ...]
    failures: Mapping[int, int] = {}
    interruptions: int = 0

    def recipient(self, index: int) -> Recipient:
        """The recipient with this index."""
        return self.record.envelope.recipients[index]


class Queue(Protocol):
    """The queue. Calls come from many threads and processes at once and block.

    Every method raises QueueUnavailableError while the server behind it does not answer; then nothing was changed, or
    all of it: repeat the call.
    """

    def expect(self, blob: str, *, size_bytes: int) -> None:
        """Before an object is put whose name was perhaps put before: its record follows, nobody is to collect it."""
        ...

    def put(self, record: QueueRecord) -> None:
        """Take a record; durable on return, its object held. A record whose key waits already is left as it is."""
        ...

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """`put` for many in one commit: all of them or, where it raises, none. Safe to repeat."""
        ...

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """At most `limit` records that are due, the longest due first; nobody else gets them for `lease_s` seconds."""
        ...

    def hand_back(self, leased: Sequence[Leased]) -> None:
        """Leased, and not begun: they are due at once, and nothing is counted."""
        ...

    def take_alone(self, leased: Leased) -> None:
        """A record that is suspected is about to be tried, and nothing else: counted as a death until it is settled or
        postponed. Each further one waits a longer time for its next attempt."""
        ...

    def done(self, finished: Sequence[tuple[str, Sequence[int]]]) -> None:
        """(acceptance id, recipients): these are settled. A record without open recipients goes, with its hold."""
        ...

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """This recipient is due again at `due_at` (unix milliseconds), having failed so often for `error`."""
        ...

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """This recipient's delivery becomes a dead letter, which an operator sees; the object stays held."""
        ...
