"""What the sender's mailbox is told of each recipient of a submission."""

from typing import ClassVar

from domain.commands import Refusal
from domain.decisions.reporting import RejectSubmission, ReportRecipient
from domain.events import Who
from domain.ids import MailboxId, SubmissionId
from gateways.appending import Appender
from gateways.delivery.outbox import Sending
from gateways.queue import QueueRecord

_WHO = Who(actor="system", protocol="smtp")


class Report(ReportRecipient, frozen=True, kw_only=True):
    """A report whose command id names submission, recipient, status and attempt: told again, it is the same."""

    TRUSTED_ID: ClassVar[bool] = True


class Rejection(RejectSubmission, frozen=True, kw_only=True):
    """A refusal whose command id names the submission: told again, it is the same."""

    TRUSTED_ID: ClassVar[bool] = True


def refuse(appender: Appender, sending: Sending, reason: str, *, check: str = "") -> None:
    """Tell the sender's mailbox why the whole submission was refused, and by which check where that counts. Safe to
    repeat.

    Raises: outages; nothing where mailbox or submission are gone.
    """
    rejection = Rejection(
        mailbox_id=sending.mailbox_id,
        command_id=f"reject:{sending.submission_id}",
        who=_WHO,
        submission_id=sending.submission_id,
        reason=reason,
        check=check,
    )
    error = appender.submit(rejection).exception()
    if error is not None and not isinstance(error, Refusal):
        raise error


def report(
    mailbox_id: MailboxId,
    submission_id: SubmissionId,
    recipient: int,
    *,
    status: str,
    last_reply: str,
    attempts: int = 1,
    next_attempt_at: int | None = None,
    feedback: str = "",
) -> Report:
    """The command that reports one recipient (its index in the submission); `feedback` is hard or soft, of a bounce."""
    return Report(
        mailbox_id=mailbox_id,
        command_id=f"report:{submission_id}:{recipient}:{status}:{attempts}",
        who=_WHO,
        submission_id=submission_id,
        recipient=recipient,
        status=status,
        last_reply=last_reply,
        attempts=attempts,
        next_attempt_at=next_attempt_at,
        feedback=feedback,
    )


def report_of(record: QueueRecord, index: int, *, status: str, last_reply: str) -> Report | None:
    """The report of a record's recipient; none for mail that no submission here sent."""
    envelope = record.envelope
    if envelope.submission_id is None or envelope.sender_mailbox is None or not record.submission_recipients:
        return None
    return report(
        MailboxId(envelope.sender_mailbox),
        SubmissionId(envelope.submission_id),
        record.submission_recipients[index],
        status=status,
        last_reply=last_reply,
    )
