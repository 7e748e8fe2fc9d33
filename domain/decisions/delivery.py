"""A message comes into being: `Deliver`, and what drafts and sending share with it."""

from contextlib import suppress
from typing import ClassVar

import msgspec

from domain import keywords, quota
from domain.automatic_mail import AutomaticMail
from domain.commands import HoldBlobs
from domain.decisions import answering
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.decisions.conversations import has_room, thread_by_refs, thread_by_subject
from domain.decisions.label_making import grow
from domain.decisions.quota_warning import warn_of_more
from domain.events import SYSTEM_LABELS, MessageDelivered, MessagePersonal, MessageServer
from domain.ids import LabelId, MailboxId, MessageId, ThreadId
from domain.labels import LabelTree, segments
from domain.refusals import KeywordInvalidError, LabelInvalidError
from domain.rows import Needs
from domain.times import rfc3339

INBOX, ARCHIVE, SENT, DRAFTS, TRASH, SPAM = (LabelId(name) for name in SYSTEM_LABELS)

INBOUND = "inbound"
_MAY_BE_DRAFTS = frozenset({"append", "import"})
"""Where a client brings its own drafts; `SaveDraft` makes ours."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A message's bytes by name and all that was derived from them; `received_at` is unix milliseconds.

    `blobs` are the object names to be held for it (its own and its attachments'); `own_ref` is the hash of its own
    Message-ID; `is_reply_by_subject`: the subject says "Re:" and the header mentions no other message.
    """

    personal: MessagePersonal
    server: MessageServer
    size: int
    received_at: int
    has_attachment: bool = False
    blobs: tuple[str, ...] = ()
    own_ref: str = ""
    is_reply_by_subject: bool = False

    @property
    def refs(self) -> tuple[str, ...]:
        """The hashed Message-IDs that it bears or mentions."""
        own = (self.own_ref,) if self.own_ref else ()
        return tuple(dict.fromkeys((*own, *self.server.refs)))

    @property
    def all_blobs(self) -> tuple[str, ...]:
        """The names of its message object and of all others to hold."""
        return tuple(dict.fromkeys((self.server.blob, *self.blobs)))

    def needs(self) -> Needs:
        """What its references and its subject lead to."""
        subject = (self.server.subject_ref,) if self.server.subject_ref else ()
        return Needs(references=(*self.refs, *subject))


class Deliver(MailboxDecision, frozen=True, kw_only=True):
    """A message arrives (inbound), is imported or appended. Accepted mail is never refused for its size: `limit_quota`
    is for imports and writes through an API. `source`: inbound, sent, import, append."""

    TRUSTED_ID: ClassVar[bool] = True
    """The same mail under the same command id is a repeat, even where a newer parser sees more in it."""

    personal: MessagePersonal
    server: MessageServer
    size: int
    received_at: int
    labels: tuple[LabelId, ...]
    source: str
    keywords: tuple[str, ...] = ()
    has_attachment: bool = False
    own_ref: str = ""
    is_reply_by_subject: bool = False
    blobs: tuple[str, ...] = ()
    limit_quota: bool = False
    thread_hint: ThreadId | None = None
    message_id: MessageId | None = None
    new_labels: tuple[str, ...] = ()
    """Paths of labels that it goes into besides, made where they are missing."""
    automatic: tuple[AutomaticMail, ...] = ()
    """What the mailbox sends by itself upon this message."""

    @property
    def composed(self) -> Composed:
        """The message itself."""
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
        """Its labels and the one to fall back on, its references, its conversation where that is told."""
        hint = (self.thread_hint,) if self.thread_hint else ()
        labels = tuple(dict.fromkeys((*self.labels, self._fallback)))
        own = Needs(labels=labels, thread_messages=hint, all_labels=bool(self.new_labels))
        return own | self.composed.needs() | answering.needs_of(self.automatic)

    def gather(self, appending: Appending) -> Answer:
        """`LabelCreated` for labels that are missing, `ThreadsJoined` where it bridges threads, `MessageDelivered`,
        `SubmissionQueued` for each automatic mail, `QuotaWarned` where that is due."""
        if self.limit_quota:
            quota.require_room(appending.rows.mailbox, self.size)
        words = keywords.keywords_of(self.keywords)
        if keywords.DRAFT in words and self.source not in _MAY_BE_DRAFTS:
            raise KeywordInvalidError("$draft is given by saving a draft", keyword=keywords.DRAFT)
        sent = answering.allowed(appending, self.automatic)
        labels = self._known_labels(appending)
        if answering.is_forward_left_out(self.automatic, sent):
            labels = labels - {TRASH} | {INBOX}
        thread_id = self._hinted(appending) or thread_for(appending, self.composed)
        message_id = deliver(
            appending,
            self.composed,
            thread_id=thread_id,
            labels=labels,
            words=words,
            source=self.source,
            message_id=self.message_id,
        )
        answering.send(appending, sent, message_id)
        warn_of_more(appending, self.size)
        return {"id": message_id, "thread_id": thread_id}

    @property
    def _fallback(self) -> LabelId:
        return INBOX if self.source == INBOUND else ARCHIVE

    def _known_labels(self, appending: Appending) -> frozenset[LabelId]:
        """Inbound mail finds its way even where a rule names a label that is gone; others are told."""
        if self.source == INBOUND:
            known = {label_id for label_id in self.labels if appending.rows.label(label_id) is not None}
            known |= self._made_labels(appending)
        else:
            known = {appending.label(label_id).label_id for label_id in self.labels}
        return frozenset(known or {self._fallback})

    def _made_labels(self, appending: Appending) -> set[LabelId]:
        """Those of `new_labels`; one that cannot be made is left out."""
        if not self.new_labels:
            return set()
        tree = LabelTree(appending.rows.all_labels())
        made: set[LabelId] = set()
        for path in self.new_labels:
            with suppress(LabelInvalidError):
                label_id = grow(appending, tree, list(segments(path)))
                made |= {label_id} if label_id is not None else set()
        return made

    def _hinted(self, appending: Appending) -> ThreadId | None:
        hint = self.thread_hint
        return hint if hint is not None and has_room(appending, hint) else None


def thread_for(appending: Appending, composed: Composed) -> ThreadId:
    """The conversation of a new message: by references, else for a reply by subject, else a new one."""
    found = thread_by_refs(appending, composed.refs)
    if found is None and composed.is_reply_by_subject:
        found = thread_by_subject(appending, composed.server.subject_ref, composed.received_at)
    return found or ThreadId(appending.context.new_id("t"))


def deliver(
    appending: Appending,
    composed: Composed,
    *,
    thread_id: ThreadId,
    labels: frozenset[LabelId],
    words: frozenset[str],
    source: str,
    message_id: MessageId | None = None,
) -> MessageId:
    """`MessageDelivered` with a UID in every label, and its blobs held; the new message's id."""
    given = message_id or MessageId(appending.context.new_id("e"))
    received_at = rfc3339(composed.received_at)
    appending.add(
        MessageDelivered(
            id=given,
            thread_id=thread_id,
            received_at=received_at,
            listed_at=received_at,
            size=composed.size,
            labels=tuple(sorted(labels)),
            keywords=tuple(sorted(words)),
            has_attachment=composed.has_attachment,
            source=source,
            uids={label_id: appending.give_uids(label_id, 1) for label_id in sorted(labels)},
            personal=composed.personal,
            server=composed.server,
        )
    )
    appending.do(HoldBlobs(mailbox_holder(appending.rows.mailbox.mailbox_id, given), composed.all_blobs))
    return given


def mailbox_holder(mailbox_id: MailboxId, origin: MessageId) -> str:
    """Who holds a message's blobs: its mailbox, under the id that the message was delivered with."""
    return f"mailbox:{mailbox_id}:{origin}"
