"""The rows in step with the log: what a decision sees and what the append writes in the same transaction.

`Rows` is a working set of one mailbox: only the rows that the gathered commands declared (`Needs`), loaded under the
mailbox row's lock. A decision reads it, `projections.in_step` changes it. A row that was asked for and does not exist
is known to be absent (`asked`); touching a row that nobody asked for raises `RowsMissingError`, upon which the lane
loads it under the same lock and decides again, so a decision can never mistake "not loaded" for "not there".
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.ids import DraftId, LabelId, MailboxId, MessageId, SubmissionId, ThreadId

ALL_MAIL = LabelId("")
"""The pseudo label under which a thread's row over all its messages is kept."""

MAX_THREAD_MESSAGES = 500
"""A conversation that long begins a new thread, so that no append costs more than that."""


class MailboxRow(msgspec.Struct):
    """One mailbox: the point of order. `sent` and `restricted` belong to the sending limits."""

    mailbox_id: MailboxId
    head: int = 0
    head_hash: bytes = bytes(32)
    recorded_at: int = 0
    generation: int = 1
    used_bytes: int = 0
    quota_bytes: int = 0
    quota_warned: int = 0
    messages: int = 0
    last_uid_validity: int = 0
    sending_blocked: bool = False
    sending_halved: bool = False
    erased: bool = False


class MessageRow(msgspec.Struct):
    """A message. `labels` is sorted, `uids` runs parallel to it; `keywords` is sorted.

    `summary` is the JSON object of `MessagePersonal`, null once destroyed or redacted; `origin` is the id under which
    it was delivered and `delivered_seq` that event's seq; times are unix milliseconds.
    """

    message_id: MessageId
    origin: MessageId
    thread_id: ThreadId
    blob: str
    size: int
    received_at: int
    listed_at: int
    labels: list[LabelId]
    uids: list[int]
    keywords: list[str]
    has_attachment: bool
    summary: msgspec.Raw | None
    delivered_seq: int
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None
    snoozed_until: int | None = None

    @property
    def unread(self) -> bool:
        """Neither `$seen` nor `$draft`."""
        return "$seen" not in self.keywords and "$draft" not in self.keywords

    @property
    def starred(self) -> bool:
        """Bears `$flagged`."""
        return "$flagged" in self.keywords


class MembershipRow(msgspec.Struct):
    """A message in a label, under one UID; `removed_seq` set is a tombstone. `added_at` unix milliseconds."""

    label_id: LabelId
    uid: int
    message_id: MessageId
    listed_at: int
    unread: bool
    starred: bool
    deletion_mark: bool
    added_at: int
    added_seq: int
    changed_seq: int
    removed_seq: int | None = None


class LabelRow(msgspec.Struct):
    """A label with its counts; `changed_seq` is of its own properties, `counts_seq` of any count."""

    label_id: LabelId
    name: str
    parent_id: LabelId | None
    role: str | None
    uid_validity: int
    next_uid: int
    sort_order: int
    subscribed: bool
    total: int
    unread: int
    threads: int
    threads_unread: int
    size: int
    created_seq: int
    changed_seq: int
    counts_seq: int
    destroyed_seq: int | None = None


class ThreadRow(msgspec.Struct):
    """A thread within one label (`ALL_MAIL`: over all its messages); `total` 0 is a tombstone."""

    label_id: LabelId
    thread_id: ThreadId
    total: int
    unread: int
    latest_at: int
    created_seq: int
    changed_seq: int


class ReferenceRow(msgspec.Struct):
    """A hashed Message-ID (or subject with correspondents), seen or mentioned, and the thread it leads to."""

    ref: str
    thread_id: ThreadId
    seen_at: int


class DraftRow(msgspec.Struct):
    """A draft and the message that is its newest revision."""

    draft_id: DraftId
    message_id: MessageId
    revision: int
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None


class RecipientStatus(msgspec.Struct):
    """One recipient of a submission as it stands; `address` null once redacted."""

    address: str | None
    status: str
    attempts: int = 0
    last_reply: str = ""
    next_attempt_at: str | None = None
    feedback: str = ""
    """What came back: hard, soft or complaint."""


class Tally(msgspec.Struct):
    """What counts of one submission towards its sender's record."""

    queued_at: int
    recipients: int
    bounced: int = 0
    complained: int = 0


class SubmissionRow(msgspec.Struct):
    """A submission. `waiting` says that its outbox row still stands, so that it can be undone; `queued_at` is by the
    clock that limits go by, and may lie before or after when it was recorded."""

    submission_id: SubmissionId
    message_id: MessageId
    draft_id: DraftId
    status: str
    recipients: list[RecipientStatus]
    queued_at: int
    send_at: int
    undo_until: int
    stream: str
    created_seq: int
    changed_seq: int
    waiting: bool = False
    """Not stored with the row: read from the outbox under the lock."""


class DocumentRow(msgspec.Struct):
    """A small thing kept whole: kind identity, contact, rules, script, vacation, replied or profile; `body` is JSON."""

    kind: str
    document_id: str
    body: msgspec.Raw
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None


class Needs(msgspec.Struct, frozen=True):
    """The rows that a decision declares. Threads of references come with them, and with messages theirs.

    `siblings` adds the messages of the threads of `messages` (needed to take messages out of a label);
    `thread_messages` those of whole threads, `threads` only the threads' own rows; `all_labels` every label; `sending`
    the submissions of the last day, `record` what came back of those of the last week.
    """

    messages: tuple[MessageId, ...] = ()
    siblings: bool = False
    thread_messages: tuple[ThreadId, ...] = ()
    threads: tuple[ThreadId, ...] = ()
    labels: tuple[LabelId, ...] = ()
    all_labels: bool = False
    references: tuple[str, ...] = ()
    drafts: tuple[DraftId, ...] = ()
    submissions: tuple[SubmissionId, ...] = ()
    documents: tuple[tuple[str, str], ...] = ()
    document_kinds: tuple[str, ...] = ()
    document_counts: tuple[str, ...] = ()
    sending: bool = False
    record: bool = False

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(
            messages=_union(self.messages, other.messages),
            siblings=self.siblings or other.siblings,
            thread_messages=_union(self.thread_messages, other.thread_messages),
            threads=_union(self.threads, other.threads),
            labels=_union(self.labels, other.labels),
            all_labels=self.all_labels or other.all_labels,
            references=_union(self.references, other.references),
            drafts=_union(self.drafts, other.drafts),
            submissions=_union(self.submissions, other.submissions),
            documents=_union(self.documents, other.documents),
            document_kinds=_union(self.document_kinds, other.document_kinds),
            document_counts=_union(self.document_counts, other.document_counts),
            sending=self.sending or other.sending,
            record=self.record or other.record,
        )


def _union(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    if not other or one == other:
        return one
    return tuple(dict.fromkeys(one + other)) if one else other


class RowsMissingError(Exception):
    """A decision or a view touched rows that were not loaded; the lane loads `needs` and decides again."""

    def __init__(self, needs: Needs) -> None:
        super().__init__(f"rows not loaded: {needs}")
        self.needs = needs


class Rows:
    """The working set of one mailbox. Keys of `asked` are (table, key) pairs known to be loaded or absent."""

    def __init__(self, mailbox: MailboxRow) -> None:
        self.mailbox = mailbox
        self.messages: dict[MessageId, MessageRow] = {}
        self.memberships: dict[tuple[LabelId, int], MembershipRow] = {}
        self.labels: dict[LabelId, LabelRow] = {}
        self.threads: dict[tuple[ThreadId, LabelId], ThreadRow] = {}
        self.references: dict[str, ReferenceRow] = {}
        self.drafts: dict[DraftId, DraftRow] = {}
        self.submissions: dict[SubmissionId, SubmissionRow] = {}
        self.documents: dict[tuple[str, str], DocumentRow] = {}
        self.document_counts: dict[str, int] = {}
        """How many live documents of a kind there are, where it was asked."""
        self.sent: list[tuple[int, int]] = []
        """(queued_at, recipients) of the owner's own submissions within the last day, oldest first."""
        self.automatic: list[int] = []
        """When the mailbox sent something by itself within the last day, oldest first."""
        self.record: dict[SubmissionId, Tally] = {}
        """What came back of this mailbox's submissions of the last week, where it was asked."""
        self.asked: set[tuple[str, Any]] = set()
        self.whole_threads: set[ThreadId] = set()
        """Threads all of whose live messages are in `messages`."""
        self._members: dict[ThreadId, list[MessageId]] = {}
        self._threaded = 0

    def message(self, message_id: MessageId) -> MessageRow | None:
        """The message's row, live or tombstone; None where there is none."""
        row = self.messages.get(message_id)
        if row is None and ("message", message_id) not in self.asked:
            raise RowsMissingError(Needs(messages=(message_id,)))
        return row

    def live_messages(self, message_ids: Iterable[MessageId]) -> list[MessageRow | None]:
        """The live rows of these messages in their order, None for what is unknown or destroyed."""
        wanted = list(message_ids)
        missing = tuple(i for i in wanted if i not in self.messages and ("message", i) not in self.asked)
        if missing:
            raise RowsMissingError(Needs(messages=missing))
        found = [self.messages.get(i) for i in wanted]
        return [row if row is not None and row.destroyed_seq is None else None for row in found]

    def membership(self, label_id: LabelId, uid: int) -> MembershipRow:
        """The membership row under this UID (loaded with its message)."""
        return self.memberships[label_id, uid]

    def label(self, label_id: LabelId) -> LabelRow | None:
        """The live label of this id."""
        row = self.labels.get(label_id)
        if row is None and ("label", label_id) not in self.asked and not self.has_all_labels:
            raise RowsMissingError(Needs(labels=(label_id,)))
        return row if row is not None and row.destroyed_seq is None else None

    @property
    def has_all_labels(self) -> bool:
        """Whether every label of the mailbox is loaded."""
        return ("labels", "*") in self.asked

    def all_labels(self) -> list[LabelRow]:
        """Every live label."""
        if not self.has_all_labels:
            raise RowsMissingError(Needs(all_labels=True))
        return [row for row in self.labels.values() if row.destroyed_seq is None]

    def reference(self, ref: str) -> ReferenceRow | None:
        """Where a hashed Message-ID leads."""
        row = self.references.get(ref)
        if row is None and ("reference", ref) not in self.asked:
            raise RowsMissingError(Needs(references=(ref,)))
        return row

    def thread(self, thread_id: ThreadId, label_id: LabelId = ALL_MAIL) -> ThreadRow | None:
        """The thread's row in a label (loaded with its messages or references), tombstones included."""
        row = self.threads.get((thread_id, label_id))
        if row is None and ("thread", thread_id) not in self.asked:
            raise RowsMissingError(Needs(threads=(thread_id,)))
        return row

    def thread_messages(self, thread_id: ThreadId) -> list[MessageRow]:
        """All live messages of a thread, at most `MAX_THREAD_MESSAGES` or so."""
        if thread_id not in self.whole_threads:
            raise RowsMissingError(Needs(thread_messages=(thread_id,)))
        members = self._by_thread().get(thread_id, ())
        return [m for message_id in members if (m := self.messages[message_id]).destroyed_seq is None]

    def _by_thread(self) -> dict[ThreadId, list[MessageId]]:
        """The loaded messages by thread: a message's thread never changes, so only new rows make it anew."""
        if self._threaded != len(self.messages):
            self._members = {}
            for message in self.messages.values():
                self._members.setdefault(message.thread_id, []).append(message.message_id)
            self._threaded = len(self.messages)
        return self._members

    def can_move(self, thread_id: ThreadId) -> bool:
        """Whether all that moves with a thread's messages is loaded: memberships, labels, drafts, submissions."""
        return thread_id in self.whole_threads and ("thread_messages", thread_id) in self.asked

    def draft(self, draft_id: DraftId) -> DraftRow | None:
        """The live draft of this id."""
        row = self.drafts.get(draft_id)
        if row is None and ("draft", draft_id) not in self.asked:
            raise RowsMissingError(Needs(drafts=(draft_id,)))
        return row if row is not None and row.destroyed_seq is None else None

    def submission(self, submission_id: SubmissionId) -> SubmissionRow | None:
        """The submission of this id."""
        row = self.submissions.get(submission_id)
        if row is None and ("submission", submission_id) not in self.asked:
            raise RowsMissingError(Needs(submissions=(submission_id,)))
        return row

    def document(self, kind: str, document_id: str) -> DocumentRow | None:
        """The live document of this kind and id."""
        row = self.documents.get((kind, document_id))
        if row is None and not {("document", (kind, document_id)), ("documents", kind)} & self.asked:
            raise RowsMissingError(Needs(documents=((kind, document_id),)))
        return row if row is not None and row.destroyed_seq is None else None

    def documents_count(self, kind: str) -> int:
        """How many live documents of a kind there are."""
        if ("document count", kind) not in self.asked:
            raise RowsMissingError(Needs(document_counts=(kind,)))
        return self.document_counts.get(kind, 0)

    def count_document(self, kind: str, change: int) -> None:
        """One live document more or less, where the count is known."""
        if ("document count", kind) in self.asked:
            self.document_counts[kind] = self.document_counts.get(kind, 0) + change

    def documents_of(self, kind: str) -> list[DocumentRow]:
        """All live documents of a kind."""
        if ("documents", kind) not in self.asked:
            raise RowsMissingError(Needs(document_kinds=(kind,)))
        return [d for d in self.documents.values() if d.kind == kind and d.destroyed_seq is None]

    def sent_recipients(self) -> list[tuple[int, int]]:
        """(queued_at, recipients) of the submissions of the last day."""
        if ("sending", "*") not in self.asked:
            raise RowsMissingError(Needs(sending=True))
        return self.sent

    def sending_record(self) -> dict[SubmissionId, Tally]:
        """What came back of the submissions of the last week."""
        if ("record", "*") not in self.asked:
            raise RowsMissingError(Needs(record=True))
        return self.record

    def count_feedback(self, row: SubmissionRow) -> None:
        """What came back of a submission, where the record is known."""
        if ("record", "*") in self.asked:
            self.record[row.submission_id] = Tally(
                row.queued_at,
                len(row.recipients),
                sum(recipient.status == "bounced" for recipient in row.recipients),
                sum(recipient.feedback == "complaint" for recipient in row.recipients),
            )

    def sent_by_itself(self) -> list[int]:
        """When the mailbox sent something by itself within the last day."""
        if ("sending", "*") not in self.asked:
            raise RowsMissingError(Needs(sending=True))
        return self.automatic
