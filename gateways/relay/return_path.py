"""The port to return paths: to whom another host sends back what it cannot deliver."""

from typing import Protocol

from domain.ids import MailboxId, SubmissionId


class ReturnPaths(Protocol):
    """Makes the reverse-path of one recipient's copy."""

    def make(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str:
        """An address of ours by which a bounce is matched to the recipient; empty for the sender's own address."""
        ...


class SendersOwn:
    """Bounces go to whoever sent."""

    def make(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str:
        """Always the sender's own address."""
        return ""
