"""What happened in a mailbox after a seq? One page of its stream in public form, as `/sync` answers it."""

import msgspec


class HistoryDivergedError(Exception):
    """The log differs at `since` from the one that the client knows."""


class SequenceAheadError(Exception):
    """The client knows more than this log holds."""


class NoMailboxError(Exception):
    """There is no such mailbox."""


class SyncPage(msgspec.Struct, frozen=True):
    """A page of public events after `since`; `next_hash` is the chain's hash at `next`."""

    since: int
    next: int
    head: int
    next_hash: bytes
    events: tuple[tuple[int, bytes], ...]
    """(seq, JSON) of each event."""

    def to_json(self) -> bytes:
        """The answer of `GET /v1/sync`."""
        return b'{"since":%d,"next":%d,"head":%d,"more":%b,"next_hash":"%b","events":[%b]}' % (
            self.since,
            self.next,
            self.head,
            b"true" if self.next < self.head else b"false",
            self.next_hash.hex().encode(),
            b",".join(event for _, event in self.events),
        )
