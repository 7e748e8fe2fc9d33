"""What becomes of a submission: claimed by the sender, rejected by a check, reported on recipient by recipient."""

import msgspec

from domain.commands import ReleaseBlobs, TakeFromOutbox
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.feedback import OPEN, SENDER_NEEDS, judge_sender, let_go_if_last, suppress
from domain.decisions.sending import known_submission, outbox_holder
from domain.events import RecipientPersonal, RecipientReported, SendingRestricted, SubmissionRejected
from domain.ids import SubmissionId
from domain.refusals import RecipientsInvalidError
from domain.rows import Needs, RecipientStatus, SubmissionRow
from domain.sending_record import SPAM, SPAM_FROM_MESSAGES, spam_times
from domain.times import rfc3339

STATUSES = frozenset({"delivered", "relayed", "deferred", "bounced", "rejected"})
"""What can be reported of one recipient."""

SPAM_SEEN = ("sending", SPAM)
"""The document that counts what looked like spam."""

_LAST_WORDS = frozenset({"undone", "rejected"})
_MAX_REPLY_CHARS = 2_000


class _OfSubmission(MailboxDecision, frozen=True, kw_only=True):
    submission_id: SubmissionId

    def needs(self) -> Needs:
        """The submission."""
        return Needs(submissions=(self.submission_id,))


class ReleaseSubmission(_OfSubmission, frozen=True, kw_only=True):
    """The sender claims a submission, which from then on cannot be undone. Answers whether it was still there."""

    def gather(self, appending: Appending) -> Answer:
        """No event: the outbox row goes."""
        row = known_submission(appending, self.submission_id)
        if row.waiting:
            appending.do(TakeFromOutbox(self.submission_id))
        return {"claimed": row.waiting}


class RejectSubmission(_OfSubmission, frozen=True, kw_only=True):
    """A check before sending refused it as a whole. Nothing happens to what was undone or has left for anyone.

    `check` is `spam` where that is what it looks like; else empty.
    """

    reason: str
    check: str = ""

    def needs(self) -> Needs:
        """The submission; of what looks like spam the others of the day."""
        return super().needs() | Needs(documents=(SPAM_SEEN,)) if self.check == SPAM else super().needs()

    def gather(self, appending: Appending) -> Answer:
        """`SubmissionRejected`; `SendingRestricted` (blocked) where that is one too many of a day."""
        row = known_submission(appending, self.submission_id)
        if any(recipient.status not in OPEN for recipient in row.recipients):
            return {}
        reason = self.reason[:_MAX_REPLY_CHARS]
        appending.add(SubmissionRejected(submission_id=self.submission_id, reason=reason, check=self.check))
        appending.do(TakeFromOutbox(self.submission_id), ReleaseBlobs(outbox_holder(self.submission_id)))
        if self.check == SPAM:
            _block_who_repeats_it(appending)
        return {}


class ReportRecipient(_OfSubmission, frozen=True, kw_only=True):
    """What became of one recipient, by its place from 0; `next_attempt_at` is unix milliseconds.

    What is told twice, or too late (deferred, after it was delivered or bounced), changes nothing. `feedback`, of a
    bounce, says whether it is hard or soft where that is known.
    """

    recipient: int
    status: str
    last_reply: str = ""
    attempts: int = 0
    next_attempt_at: int | None = None
    feedback: str = ""

    def needs(self) -> Needs:
        """The submission; of a bounce what judging the sender takes besides."""
        return super().needs() | SENDER_NEEDS if self.status == "bounced" else super().needs()

    def gather(self, appending: Appending) -> Answer:
        """`RecipientReported` where the status changes; after the last one the blobs are let go."""
        row = known_submission(appending, self.submission_id)
        if not 0 <= self.recipient < len(row.recipients) or self.status not in STATUSES:
            raise RecipientsInvalidError("no such recipient or status", submission_id=self.submission_id)
        before = row.recipients[self.recipient]
        if not _is_news(before, self.status):
            return {}
        appending.add(self._reported(row, before))
        let_go_if_last(appending, row, self.recipient, status=self.status)
        if self.status == "bounced":
            suppress(appending, before.address, feedback=self.feedback)
            judge_sender(appending, row, bounced=True)
        return {}

    def _reported(self, row: SubmissionRow, before: RecipientStatus) -> RecipientReported:
        reported = RecipientReported(
            submission_id=self.submission_id,
            message_id=row.message_id,
            recipient=self.recipient,
            status=self.status,
            attempts=self.attempts,
            next_attempt_at=None if self.next_attempt_at is None else rfc3339(self.next_attempt_at),
            feedback=self.feedback,
        )
        if before.address is None:
            return reported
        personal = RecipientPersonal(address=before.address, last_reply=self.last_reply[:_MAX_REPLY_CHARS])
        return msgspec.structs.replace(reported, personal=personal)


def _block_who_repeats_it(appending: Appending) -> None:
    """`SendingRestricted`, where the refusal just added is the last of too many."""
    seen = appending.rows.document(*SPAM_SEEN)
    before = [] if seen is None else msgspec.json.decode(seen.body)["at"]
    count = len(spam_times(before, now_ms=appending.context.now_ms))
    if count >= SPAM_FROM_MESSAGES and not appending.rows.mailbox.sending_blocked:
        appending.add(SendingRestricted(why=f"{count} messages of a day looked like known spam", blocked=True))


def _is_news(before: RecipientStatus, now: str) -> bool:
    """A status once final goes on only to another final one (a relayed message may bounce later), and not from what
    came back to that it left: the report of that is only late."""
    if before.status == now or before.status in _LAST_WORDS:
        return False
    if before.status == "bounced" and before.feedback:
        return False
    return before.status in OPEN or now not in OPEN
