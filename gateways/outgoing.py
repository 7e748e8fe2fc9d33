"""The port to what is due to leave: from the schedule, which lives with the submissions, to those who relay.

It carries references for as long as somebody works on them, and may forget nothing meanwhile; when something is due
again, and what has become of it, is the schedule's to know. Mail to one destination stays together, so that one relay
has the connections and limits of a domain.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.ids import MailboxId, SubmissionId


class OutgoingUnavailableError(Exception):
    """The server behind it does not answer: waited out, it counts against no mail."""


class DueMail(msgspec.Struct, frozen=True, kw_only=True):
    """A submission's recipients (indices) in one domain, which are due; `attempt` counts from 1."""

    domain: str
    """In lower-case A-labels: what is kept together."""
    mailbox_id: MailboxId
    submission_id: SubmissionId
    recipients: tuple[int, ...]
    attempt: int


class OutgoingMail(Protocol):
    """What is due. One taker a process; every method raises OutgoingUnavailableError."""

    def put_all(self, due: Sequence[DueMail]) -> None:
        """Durable on return. What is put twice may come twice: its attempt tells."""
        ...

    def take(self, *, limit: int) -> Sequence[DueMail]:
        """At most so many that nobody has, those of a domain in the order in which they were put.

        A domain's are given to one taker at a time; what he has not done when he goes is given to another.
        """
        ...

    def done(self, finished: Sequence[DueMail]) -> None:
        """These were tried, and the schedule knows what became of them. Safe to repeat."""
        ...
