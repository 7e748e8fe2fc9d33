"""Sending: a message is handed over for sending, and called back while it waits."""

from typing import ClassVar

from domain import keywords, quota
from domain.commands import HoldBlobs, PutInOutbox, ReleaseBlobs, TakeFromOutbox
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.deleting import BINS
from domain.decisions.delivery import ARCHIVE, DRAFTS, SENT, Composed, deliver, thread_for
from domain.decisions.drafting import revise, standing_draft
from domain.decisions.quota_warning import warn_of_more
from domain.decisions.relabelling import rekeyword, relabel
from domain.events import (
    DraftDiscarded,
    DraftSaved,
    SubmissionPersonal,
    SubmissionQueued,
    SubmissionRecipient,
    SubmissionUndone,
)
from domain.ids import DraftId, MessageId, SubmissionId
from domain.refusals import AlreadySentError, IdentityUnknownError, RecipientsInvalidError, SubmissionUnknownError
from domain.rows import MessageRow, Needs, SubmissionRow
from domain.sending_limits import SendingLimits, require_allowed
from domain.times import rfc3339

MAX_RECIPIENTS = 1000


class _Submission(MailboxDecision, frozen=True, kw_only=True):
    """What every hand-over says. Times are unix milliseconds; the limits are messages in sliding windows."""

    TRUSTED_ID: ClassVar[bool] = True
    """A repeat is composed anew, with other times and another Message-ID: the command id alone tells it."""

    mail_from: str
    recipients: tuple[SubmissionRecipient, ...]
    send_at_ms: int
    undo_until_ms: int
    stream: str
    submission_id: SubmissionId | None = None
    identity_id: str | None = None
    per_minute: int = 25
    per_day: int = 500
    ret: str | None = None
    envid: str | None = None

    def needs(self) -> Needs:
        """What was sent lately, the identity, the labels that a sent message leaves and enters."""
        identities = (("identity", self.identity_id),) if self.identity_id else ()
        return Needs(labels=(SENT, DRAFTS, ARCHIVE), documents=identities, sending=True)

    def require_sendable(self, appending: Appending) -> None:
        """There is somebody to send to, the identity exists, and the limits allow it.

        Raises:
            RecipientsInvalidError, IdentityUnknownError, SendingBlockedError, RateLimitedError: it is not so.
        """
        if not 1 <= len(self.recipients) <= MAX_RECIPIENTS:
            raise RecipientsInvalidError(f"a message goes to 1 to {MAX_RECIPIENTS} recipients")
        if self.identity_id and appending.rows.document("identity", self.identity_id) is None:
            raise IdentityUnknownError("no such identity", identity_id=self.identity_id)
        require_allowed(
            appending.rows.mailbox,
            appending.rows.sent_recipients(),
            now_ms=appending.context.now_ms,
            limits=SendingLimits(self.per_minute, self.per_day),
        )

    def queue(
        self, appending: Appending, message_id: MessageId, *, draft_id: DraftId, blobs: tuple[str, ...]
    ) -> Answer:
        """`SubmissionQueued`, the outbox row, and the blobs held until it has left."""
        submission_id = self.submission_id or SubmissionId(appending.context.new_id("s"))
        undo_until = rfc3339(self.undo_until_ms)
        appending.add(
            SubmissionQueued(
                submission_id=submission_id,
                message_id=message_id,
                draft_id=draft_id,
                identity_id=self.identity_id,
                recipient_count=len(self.recipients),
                queued_at=rfc3339(appending.context.now_ms),
                send_at=rfc3339(self.send_at_ms),
                undo_until=undo_until,
                stream=self.stream,
                personal=SubmissionPersonal(
                    mail_from=self.mail_from, recipients=self.recipients, ret=self.ret, envid=self.envid
                ),
            )
        )
        appending.do(
            PutInOutbox(submission_id, due_at=max(self.send_at_ms, self.undo_until_ms)),
            HoldBlobs(outbox_holder(submission_id), blobs),
        )
        return {"submission_id": submission_id, "message_id": message_id, "undo_until": undo_until}


class Submit(_Submission, frozen=True, kw_only=True):
    """Sends a draft: its message moves to SENT. `final`, where given, first replaces it like a last revision (the bytes
    with Date and Message-ID as they leave); without it `blobs` names what the draft's message consists of."""

    draft_id: DraftId
    final: Composed | None = None
    blobs: tuple[str, ...] = ()

    def needs(self) -> Needs:
        """The draft besides."""
        own = super().needs() | Needs(drafts=(self.draft_id,), siblings=True)
        return own | self.final.needs() if self.final is not None else own

    def gather(self, appending: Appending) -> Answer:
        """The last revision, `LabelsChanged`, `KeywordsChanged`, `DraftDiscarded` (sent) and `SubmissionQueued`."""
        draft, message = standing_draft(appending, self.draft_id)
        self.require_sendable(appending)
        blobs = tuple(dict.fromkeys((message.blob, *self.blobs)))
        if self.final is not None:
            message = revise(appending, self.final, draft=draft, before=message)
            blobs = self.final.all_blobs
        relabel(appending, [(message, (SENT,), (DRAFTS, *BINS))])
        rekeyword(appending, [(message, (keywords.SEEN,), (keywords.DRAFT,))])
        appending.add(DraftDiscarded(draft_id=self.draft_id, sent=True))
        return self.queue(appending, message.message_id, draft_id=self.draft_id, blobs=blobs)


class SubmitNew(_Submission, frozen=True, kw_only=True):
    """Sends a message in one step: it comes into being in SENT. Its draft id is for an undo that makes it a draft."""

    message: Composed

    def needs(self) -> Needs:
        """What its references lead to besides."""
        return super().needs() | self.message.needs()

    def gather(self, appending: Appending) -> Answer:
        """`MessageDelivered` (source: sent), `SubmissionQueued`, `QuotaWarned` where that is due."""
        self.require_sendable(appending)
        quota.require_room(appending.rows.mailbox, self.message.size)
        message_id = deliver(
            appending,
            self.message,
            thread_id=thread_for(appending, self.message),
            labels=frozenset({SENT}),
            words=frozenset({keywords.SEEN}),
            source="sent",
        )
        draft_id = DraftId(appending.context.new_id("d"))
        answer = self.queue(appending, message_id, draft_id=draft_id, blobs=self.message.all_blobs)
        warn_of_more(appending, self.message.size)
        return answer


class UndoSubmission(MailboxDecision, frozen=True, kw_only=True):
    """Calls a submission back while it waits. Answers `draft_id`; null where its message has been deleted for good, so
    that there is nothing to write on with."""

    submission_id: SubmissionId

    def needs(self) -> Needs:
        """The submission, and the labels that its message leaves and enters."""
        return Needs(submissions=(self.submission_id,), siblings=True, labels=(SENT, DRAFTS, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`SubmissionUndone`, after `LabelsChanged` and `KeywordsChanged`, before `DraftSaved`."""
        row = known_submission(appending, self.submission_id)
        if not row.waiting:
            raise AlreadySentError("it has left already", submission_id=self.submission_id)
        message = appending.rows.message(row.message_id)
        stands = message is not None and message.destroyed_seq is None
        if message is not None and stands:
            relabel(appending, [(message, (DRAFTS,), (SENT, *BINS))])
            rekeyword(appending, [(message, (keywords.DRAFT,), ())])
        appending.add(SubmissionUndone(submission_id=self.submission_id, draft_id=row.draft_id))
        appending.do(TakeFromOutbox(self.submission_id), ReleaseBlobs(outbox_holder(self.submission_id)))
        if message is None or not stands:
            return {"draft_id": None}
        appending.add(_restored_draft(appending, row, message))
        return {"draft_id": row.draft_id}


def known_submission(appending: Appending, submission_id: SubmissionId) -> SubmissionRow:
    """The submission of this id.

    Raises:
        SubmissionUnknownError: there is none.
    """
    row = appending.rows.submission(submission_id)
    if row is None:
        raise SubmissionUnknownError("no such submission", submission_id=submission_id)
    return row


def outbox_holder(submission_id: SubmissionId) -> str:
    """Who holds a submission's blobs until it has left."""
    return f"outbox:{submission_id}"


def _restored_draft(appending: Appending, row: SubmissionRow, message: MessageRow) -> DraftSaved:
    """The draft stands again, one revision on; one sent in a single step never stood before."""
    standing = appending.rows.draft(row.draft_id)
    before = standing or appending.rows.drafts.get(row.draft_id)
    return DraftSaved(
        draft_id=row.draft_id,
        revision=before.revision + 1 if before is not None else 1,
        message_id=message.message_id,
        replaces=None,
    )
