"""The port to one notification for both kinds of recipients of a submission: those here, and those elsewhere.

A submission with both is `expected` before its record is in the queue. While it is, the relay tells its sender nothing;
what fails here is handed to the relay's own notes, and told with what fails there. Where the recipients here take very
long (a dead letter, a scanner that is down) nobody waits for them, and they are told of by themselves.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.ids import MailboxId, SubmissionId
from gateways.delivery.notification import Bounce
from gateways.queue import QueueRecord


class JointNotices(Protocol):
    """Kept beside the relay's schedule. Calls block; every change is durable on return, and safe to repeat."""

    def expect(self, mailbox_id: MailboxId, submission_id: SubmissionId) -> None:
        """Recipients of it are here and elsewhere."""
        ...

    def take(self, record: QueueRecord, bounces: Sequence[Bounce]) -> bool:
        """Whether the relay tells of these from now on; else that is the caller's to do."""
        ...

    def over(self, records: Sequence[QueueRecord]) -> None:
        """The recipients here of these are settled."""
        ...


class Apart:
    """Each tells of his own."""

    def expect(self, mailbox_id: MailboxId, submission_id: SubmissionId) -> None:
        """Nothing to note."""

    def take(self, record: QueueRecord, bounces: Sequence[Bounce]) -> bool:
        """Never."""
        return False

    def over(self, records: Sequence[QueueRecord]) -> None:
        """Nothing to note."""
