"""The port to the schedule: what is kept for other hosts, when it is due again, and what became of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail
from gateways.relay.sent_copy import SentCopy

Status = Literal["relayed", "bounced", "deferred"]


def final_status(told: str) -> Status:
    """What a status that the log tells is to the schedule: had by somebody, or not."""
    return "relayed" if told in ("relayed", "delivered") else "bounced"


class SubmissionKey(NamedTuple):
    """A submission; of what nobody submitted, an empty mailbox and the acceptance id."""

    mailbox_id: MailboxId
    submission_id: SubmissionId


class Outcome(msgspec.Struct, frozen=True):
    """What an attempt came to for one recipient (its place), in the words of an SMTP reply."""

    recipient: int
    status: Status
    reply: str
    is_to_be_told: bool = False
    """Relayed to a host that tells nobody, though the sender asked to be told (RFC 3461 section 5.2.2)."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a due mail; `due_again_at` (unix milliseconds) ends the attempt for the recipients left open."""

    due: DueMail
    outcomes: tuple[Outcome, ...]
    due_again_at: int | None = None


class Ended(msgspec.Struct, frozen=True):
    """A submission of which no recipient is open any more; `told` says of which its sender is to hear."""

    key: SubmissionKey
    told: tuple[Outcome, ...] = ()


class Schedule(Protocol):
    """What is kept for other hosts. Calls block; every change is durable on return."""

    def mark(
        self, due: Sequence[tuple[DueMail, Collection[int]]], copies: Mapping[DueMail, SentCopy] | None = None
    ) -> Collection[DueMail]:
        """The far side may have the whole message for these recipients from now on; of which this is so to be done:
        the others were given to somebody else meanwhile. `copies` are kept with it: what each of them is."""
        ...

    def settle(self, settled: Sequence[Settled]) -> Sequence[Ended]:
        """Keep what became of them; the submissions that ended by it. Safe to repeat."""
        ...

    def open_recipients(self, key: SubmissionKey) -> Mapping[int, str]:
        """The last reply for each recipient of a submission that is open."""
        ...

    def note_delay(self, key: SubmissionKey) -> None:
        """Its sender was told that it takes long."""
        ...

    def drop(self, due: Collection[DueMail]) -> None:
        """Nobody is left to send these for, or to tell: nothing is kept of them."""
        ...

    def forget(self, ended: Collection[SubmissionKey]) -> None:
        """Their senders were told: nothing is kept of them."""
        ...
