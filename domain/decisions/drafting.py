"""Drafts: each saved revision is a new message that replaces the one before; `draft_id` stays."""

from typing import ClassVar

import msgspec

from domain import keywords, quota
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.deleting import BINS
from domain.decisions.delivery import ARCHIVE, DRAFTS, Composed, deliver, thread_for
from domain.decisions.quota_warning import warn_of_more
from domain.decisions.relabelling import destroy
from domain.events import DraftDiscarded, DraftSaved, MessagePersonal, MessageServer
from domain.ids import DraftId, LabelId, MessageId
from domain.refusals import DraftChangedError, DraftUnknownError
from domain.rows import DraftRow, MessageRow, Needs

DRAFT_KEYWORDS = frozenset({keywords.DRAFT, keywords.SEEN})


class SaveDraft(MailboxDecision, frozen=True, kw_only=True):
    """Saves a new draft, or the next revision of one (if it still stands at `if_revision`, where that is given).

    Answers `draft_id`, `revision`, `message_id` and `thread_id`.
    """

    TRUSTED_ID: ClassVar[bool] = True
    """A repeat is composed anew, with another Date and Message-ID: the command id alone tells it."""

    personal: MessagePersonal
    server: MessageServer
    size: int
    received_at: int
    draft_id: DraftId | None = None
    if_revision: int | None = None
    has_attachment: bool = False
    blobs: tuple[str, ...] = ()
    own_ref: str = ""
    is_reply_by_subject: bool = False

    @property
    def composed(self) -> Composed:
        """The revision itself."""
        return Composed(
            personal=self.personal,
            server=self.server,
            size=self.size,
            received_at=self.received_at,
            has_attachment=self.has_attachment,
            blobs=self.blobs,
            own_ref=self.own_ref,
            is_reply_by_subject=self.is_reply_by_subject,
        )

    def needs(self) -> Needs:
        """The draft, DRAFTS, what the references lead to."""
        drafts = (self.draft_id,) if self.draft_id else ()
        own = Needs(drafts=drafts, siblings=bool(drafts), labels=(DRAFTS, ARCHIVE))
        return own | self.composed.needs()

    def gather(self, appending: Appending) -> Answer:
        """`MessageDelivered` and `DraftSaved`; for a later revision `MessagesDeleted` of the one before."""
        if self.draft_id is None:
            return self._begin(appending)
        draft, message = standing_draft(appending, self.draft_id)
        if self.if_revision not in (None, draft.revision):
            raise DraftChangedError(draft.revision, draft.message_id)
        revised = revise(appending, self.composed, draft=draft, before=message)
        return _answer(draft.draft_id, draft.revision + 1, revised)

    def _begin(self, appending: Appending) -> Answer:
        quota.require_room(appending.rows.mailbox, self.size)
        thread_id = thread_for(appending, self.composed)
        message_id = deliver(
            appending,
            self.composed,
            thread_id=thread_id,
            labels=frozenset({DRAFTS}),
            words=DRAFT_KEYWORDS,
            source="draft",
        )
        draft_id = DraftId(appending.context.new_id("d"))
        appending.add(DraftSaved(draft_id=draft_id, revision=1, message_id=message_id, replaces=None))
        warn_of_more(appending, self.size)
        return {"draft_id": draft_id, "revision": 1, "message_id": message_id, "thread_id": thread_id}


class DiscardDraft(MailboxDecision, frozen=True, kw_only=True):
    """Throws a draft away, and its message for good."""

    draft_id: DraftId

    def needs(self) -> Needs:
        """The draft."""
        return Needs(drafts=(self.draft_id,), siblings=True)

    def gather(self, appending: Appending) -> Answer:
        """`MessagesDeleted` (why: draft) and `DraftDiscarded`."""
        _, message = standing_draft(appending, self.draft_id)
        destroy(appending, [message], "draft")
        appending.add(DraftDiscarded(draft_id=self.draft_id, sent=False))
        return {}


def standing_draft(appending: Appending, draft_id: DraftId) -> tuple[DraftRow, MessageRow]:
    """The draft and the message that is its newest revision.

    Raises:
        DraftUnknownError: there is no such draft.
    """
    draft = appending.rows.draft(draft_id)
    message = appending.rows.message(draft.message_id) if draft is not None else None
    if draft is None or message is None or message.destroyed_seq is not None:
        raise DraftUnknownError("no such draft", draft_id=draft_id)
    return draft, message


def revise(appending: Appending, composed: Composed, *, draft: DraftRow, before: MessageRow) -> MessageRow:
    """The next revision of a draft, in the same thread, with the labels and keywords that its owner gave it.

    What is returned is a picture of the new message; the quota judges the difference in size.
    """
    more_bytes = composed.size - before.size
    quota.require_room(appending.rows.mailbox, more_bytes)
    labels = frozenset(before.labels) - BINS | {DRAFTS}
    words = frozenset(before.keywords) | DRAFT_KEYWORDS
    message_id = deliver(appending, composed, thread_id=before.thread_id, labels=labels, words=words, source="draft")
    appending.add(
        DraftSaved(
            draft_id=draft.draft_id,
            revision=draft.revision + 1,
            message_id=message_id,
            replaces=before.message_id,
        )
    )
    destroy(appending, [before], "draft")
    warn_of_more(appending, more_bytes)
    return _pictured(before, message_id, labels=sorted(labels), words=sorted(words))


def _pictured(before: MessageRow, message_id: MessageId, *, labels: list[LabelId], words: list[str]) -> MessageRow:
    return msgspec.structs.replace(
        before, message_id=message_id, origin=message_id, labels=labels, uids=[], keywords=words, snoozed_until=None
    )


def _answer(draft_id: DraftId, revision: int, message: MessageRow) -> Answer:
    return {
        "draft_id": draft_id,
        "revision": revision,
        "message_id": message.message_id,
        "thread_id": message.thread_id,
    }
