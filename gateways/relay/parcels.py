"""The port to what is relayed: envelope and place of the bytes, read for what is due."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from domain.automatic_mail import STREAMS
from domain.events import SubmissionRecipient
from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail

OPEN = frozenset({"queued", "deferred"})


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One due mail with what must be known to relay it. Times are unix milliseconds."""

    due: DueMail
    """Its recipients are those still open."""
    mail_from: str
    recipients: tuple[SubmissionRecipient, ...]
    """All of the submission, by their places."""
    statuses: tuple[str, ...] = ()
    """What the log tells of each; empty where no log does."""
    last_replies: tuple[str, ...] = ()
    """Parallel to `statuses`."""
    blob: str
    size_bytes: int
    queued_at: int
    is_delay_told: bool = False
    is_reported: bool = True
    """Whether its sender's log is told of each recipient."""
    stream: str = ""
    """That of the submission."""
    is_written_here: bool = True
    """Whether an account of this installation, or the installation itself, wrote it: else our keys do not sign it."""
    ret: str | None = None
    envid: str | None = None

    @property
    def is_passed_on(self) -> bool:
        """Whether it is another's message, which leaves as it came and comes back by the reverse-path that it bears."""
        return self.stream in STREAMS or not self.mailbox_id

    @property
    def mailbox_id(self) -> MailboxId:
        """Whose it is."""
        return self.due.mailbox_id

    @property
    def submission_id(self) -> SubmissionId:
        """Which it is."""
        return self.due.submission_id

    def known(self, place: int) -> str | None:
        """What the log tells of a recipient that is not open there any more."""
        status = self.statuses[place] if self.statuses else "queued"
        return None if status in OPEN else status


class Parcels(Protocol):
    """What is due, opened. Calls block."""

    def open(self, due: Sequence[DueMail]) -> Mapping[DueMail, Parcel | Exception | None]:
        """Each with its parcel, with what reading it raised, or with nothing where nobody is left to send it for."""
        ...
