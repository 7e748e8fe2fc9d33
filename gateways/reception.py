"""What every door through which mail comes in needs behind it: a judge of recipients, a spool, a durable acceptance.

All calls block; a server on an event loop makes them from a bounded pool of threads.
"""

import enum
from collections.abc import Sequence
from typing import Protocol

from domain.addresses import EmailAddress
from gateways.blobs import StorageFullError as StorageFullError  # no room for the content, nothing was kept: 452 4.3.1
from gateways.envelope import Envelope


class TemporarilyUnavailableError(Exception):
    """A server behind the door does not answer; nothing was kept, the sender tries again (451 4.3.0)."""


class Verdict(enum.Enum):
    """What becomes of one recipient, told apart at RCPT while the sender is still there."""

    ACCEPT = "accept"
    ONLY_AUTOMATIC = "only_automatic"
    """A return path of ours: what comes from the null reverse-path, or says that a machine sent it, is taken; all else
    is 550 5.1.1, at RCPT or, where only the header tells, at the end."""
    UNKNOWN_MAILBOX = "unknown_mailbox"
    """A domain of ours, but nobody there: 550 5.1.1."""
    FULL = "full"
    """The mailbox has no room, or none for the size announced: 452 4.2.2."""
    NOT_SERVED = "not_served"
    """Not a domain of ours, and we relay for nobody: 550 5.7.1."""
    LATER = "later"
    """The client is to come again, which who sends spam seldom does: 451 4.7.1."""
    SUSPENDED = "suspended"
    """The mailbox takes no mail at present: 550 5.2.1."""


class Spool(Protocol):
    """The content of one message while it arrives, in a temporary file. Calls never overlap."""

    @property
    def size(self) -> int:
        """Octets written so far."""
        ...

    def write(self, data: bytes, /) -> None:
        """Take more content; it need not be durable yet.

        Raises: StorageFullError, TemporarilyUnavailableError
        """
        ...

    def read(self, start: int, size_bytes: int, /) -> bytes:
        """What was written from `start` on, at most so much of it; empty beyond the end.

        Raises: TemporarilyUnavailableError, OSError
        """
        ...

    def discard(self) -> None:
        """Forget the content and free its room. Safe to repeat; after an acceptance it does nothing."""
        ...


class Reception(Protocol):
    """The door's other side. Calls come from many threads at once."""

    def judge(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict:
        """Whether mail for `recipient` is taken, given the size that the sender announced, if it did.

        `BARE_POSTMASTER` and the postmaster and abuse of every served domain always are (RFC 5321 section 4.5.1).

        Raises: TemporarilyUnavailableError
        """
        ...

    def recall(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict | None:
        """What `judge` would say, where that is known without waiting for anything; never blocks."""
        ...

    def spool(self) -> Spool:
        """Room for the content of one more message.

        Raises: StorageFullError, TemporarilyUnavailableError
        """
        ...

    def accept(self, envelope: Envelope, spool: Spool) -> None:
        """Take over responsibility for the message (RFC 5321 section 6.1): after it returns, 250 is said.

        Returns only when the content lies flushed under its final name and the queue record that names all
        recipients is durable. Safe to repeat with the same acceptance id.

        Raises: StorageFullError, TemporarilyUnavailableError; then nothing is kept and the caller discards the spool.
        """
        ...

    def accept_all(self, mails: Sequence[tuple[Envelope, bytes]]) -> Sequence[Exception | None]:
        """`accept` for messages that came whole, with flushes shared: for each, what it raises, or None where it lies
        as safely as after an `accept` of its own."""
        ...
