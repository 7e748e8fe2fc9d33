"""What comes back of mail that was sent: a bounce, a complaint, and what that means for the address and the sender."""

from typing import ClassVar

import msgspec

from domain.commands import ReleaseBlobs
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.sending import known_submission, outbox_holder
from domain.events import (
    AddressSuppressed,
    RecipientPersonal,
    RecipientReported,
    SenderFlagged,
    SendingRestricted,
    SuppressionLifted,
)
from domain.ids import SubmissionId
from domain.refusals import RecipientsInvalidError, SuppressionUnknownError
from domain.rows import Needs, RecipientStatus, SubmissionRow, Tally
from domain.sending_record import SendingRecord, record_of
from domain.suppression import KIND, suppressed_form
from domain.times import unix_ms

OPEN = frozenset({"queued", "deferred"})
"""The statuses of recipients of whom more is to come."""

SENDER_NEEDS = Needs(
    documents=(("restriction", "flagged"), ("sending", "counted_from")),
    record=True,
)
"""What judging a sender takes."""

_SENT = frozenset({"relayed", "delivered"})
_LAST_WORDS = frozenset({"undone", "rejected"})
_MAX_REPLY_CHARS = 2_000


class _Returned(MailboxDecision, frozen=True, kw_only=True):
    TRUSTED_ID: ClassVar[bool] = True
    """The command id tells submission, recipient and what came back: a repeat in other words is the same."""

    submission_id: SubmissionId
    recipient: int

    def needs(self) -> Needs:
        """The submission, and what judging its sender takes."""
        return Needs(submissions=(self.submission_id,)) | SENDER_NEEDS

    def recipient_of(self, row: SubmissionRow) -> RecipientStatus:
        """The recipient reported on.

        Raises: RecipientsInvalidError: the submission has no such one.
        """
        if not 0 <= self.recipient < len(row.recipients):
            raise RecipientsInvalidError("no such recipient", submission_id=self.submission_id)
        return row.recipients[self.recipient]

    def reported(self, row: SubmissionRow, *, status: str, feedback: str, said: str) -> RecipientReported:
        """The event, with attempts as they were."""
        before = row.recipients[self.recipient]
        event = RecipientReported(
            submission_id=self.submission_id,
            message_id=row.message_id,
            recipient=self.recipient,
            status=status,
            attempts=before.attempts,
            next_attempt_at=None,
            feedback=feedback,
        )
        if before.address is None:
            return event
        personal = RecipientPersonal(address=before.address, last_reply=said[:_MAX_REPLY_CHARS])
        return msgspec.structs.replace(event, personal=personal)


class ReportBounce(_Returned, frozen=True, kw_only=True):
    """A report says that the recipient did not get it. Answers whether that is `late` news: it had counted as sent.

    `feedback` is hard or soft. Told again, or of what never left, it changes nothing; hard after soft is news.
    """

    feedback: str
    last_reply: str = ""

    def gather(self, appending: Appending) -> Answer:
        """`RecipientReported` (bounced), then what it means for address and sender."""
        row = known_submission(appending, self.submission_id)
        before = self.recipient_of(row)
        is_news = before.status != "bounced" or (self.feedback == "hard" and before.feedback == "soft")
        if before.status in _LAST_WORDS or not is_news:
            return {"late": False}
        appending.add(self.reported(row, status="bounced", feedback=self.feedback, said=self.last_reply))
        if before.status in OPEN:
            let_go_if_last(appending, row, self.recipient, status="bounced")
        suppress(appending, before.address, feedback=self.feedback)
        judge_sender(appending, row, bounced=before.status != "bounced")
        return {"late": before.status in _SENT, "address": before.address}


class ReportComplaint(_Returned, frozen=True, kw_only=True):
    """The recipient calls it spam; what became of it stays what it was."""

    feedback_type: str

    def gather(self, appending: Appending) -> Answer:
        """`RecipientReported` (the status as it was), then what it means for address and sender."""
        row = known_submission(appending, self.submission_id)
        before = self.recipient_of(row)
        if before.status in _LAST_WORDS or before.feedback == "complaint":
            return {}
        said = f"complained: {self.feedback_type}"
        appending.add(self.reported(row, status=before.status, feedback="complaint", said=said))
        suppress(appending, before.address, feedback="complaint")
        judge_sender(appending, row, complained=True)
        return {}


class LiftSuppression(MailboxDecision, frozen=True, kw_only=True):
    """An address is written to again."""

    address: str

    def needs(self) -> Needs:
        """The entry."""
        return Needs(documents=((KIND, suppressed_form(self.address)),))

    def gather(self, appending: Appending) -> Answer:
        """`SuppressionLifted`.

        Raises: SuppressionUnknownError: it is not on the list.
        """
        address = suppressed_form(self.address)
        if appending.rows.document(KIND, address) is None:
            raise SuppressionUnknownError("the address is not on the suppression list")
        appending.add(SuppressionLifted(address=address))
        return {}


def let_go_if_last(appending: Appending, row: SubmissionRow, place: int, *, status: str) -> None:
    """The blobs of a submission are let go where the recipient at `place`, now of this status, was the last open."""
    rest = (other.status for number, other in enumerate(row.recipients) if number != place)
    if not OPEN & {status, *rest}:
        appending.do(ReleaseBlobs(outbox_holder(row.submission_id)))


def suppress(appending: Appending, address: str | None, *, feedback: str) -> None:
    """`AddressSuppressed` after what lasts, unless it is so already; nothing where the address is no longer known."""
    if address is None or feedback not in ("hard", "complaint"):
        return
    form = suppressed_form(address)
    if appending.rows.document(KIND, form) is None:
        appending.add(AddressSuppressed(address=form, why=feedback))


def judge_sender(appending: Appending, row: SubmissionRow, *, bounced: bool = False, complained: bool = False) -> None:
    """`SendingRestricted` (halved) and `SenderFlagged` where the week's record, with what just came back, calls for
    it and it is not so already."""
    record = _record_with(appending, row, bounced=bounced, complained=complained)
    mailbox = appending.rows.mailbox
    if record.bounces_too_much and not (mailbox.sending_halved or mailbox.sending_blocked):
        why = f"bounces: {record.bounced} of {record.recipients} recipients in 7 days"
        appending.add(SendingRestricted(why=why, blocked=False))
    if record.is_complained_of and appending.rows.document("restriction", "flagged") is None:
        why = f"complaints: {record.complained} of {record.recipients} recipients in 7 days"
        appending.add(SenderFlagged(why=why))


def _record_with(appending: Appending, row: SubmissionRow, *, bounced: bool, complained: bool) -> SendingRecord:
    tallies = dict(appending.rows.sending_record())
    one = tallies.get(row.submission_id)
    if one is not None:
        tallies[row.submission_id] = Tally(
            one.queued_at, one.recipients, one.bounced + bounced, one.complained + complained
        )
    lifted = appending.rows.document("sending", "counted_from")
    since_ms = 0 if lifted is None else unix_ms(msgspec.json.decode(lifted.body)["at"])
    return record_of(tallies.values(), since_ms=since_ms, now_ms=appending.context.now_ms)
