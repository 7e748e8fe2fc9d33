"""What the fold holds of one mailbox. Times are unix milliseconds; tombstones stay for ever."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.events import MessagePersonal
from domain.ids import DraftId, LabelId, MessageId, SubmissionId, ThreadId

SYSTEM_ROLES = {
    LabelId("INBOX"): "inbox",
    LabelId("ARCHIVE"): "archive",
    LabelId("SENT"): "sent",
    LabelId("DRAFTS"): "drafts",
    LabelId("TRASH"): "trash",
    LabelId("SPAM"): "junk",
}
"""The roles of the system labels (RFC 8621 section 2)."""


class When(NamedTuple):
    """Where in the stream an event stands, and when it was recorded."""

    seq: int
    recorded_at: int


@dataclass(slots=True)
class Membership:
    """A message in a label under one UID; `removed_seq` set is a tombstone that keeps what it last showed."""

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


@dataclass(slots=True)
class Message:
    """A message; `places` are its live memberships by label, `personal` is null once redacted or destroyed."""

    id: MessageId
    origin: MessageId
    thread_id: ThreadId
    blob: str
    size: int
    received_at: int
    listed_at: int
    keywords: set[str]
    has_attachment: bool
    personal: MessagePersonal | None
    delivered_seq: int
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None
    snoozed_until: int | None = None
    places: dict[LabelId, Membership] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Not deleted for good, nor moved to another id."""
        return self.destroyed_seq is None

    @property
    def unread(self) -> bool:
        """Neither `$seen` nor `$draft`."""
        return self.keywords.isdisjoint(("$seen", "$draft"))

    @property
    def starred(self) -> bool:
        """Bears `$flagged`."""
        return "$flagged" in self.keywords


@dataclass(slots=True)
class Label:
    """A label without its counts, which are counted when asked for."""

    id: LabelId
    name: str
    parent_id: LabelId | None
    role: str | None
    uid_validity: int
    sort_order: int
    subscribed: bool
    created_seq: int
    changed_seq: int
    counts_seq: int
    next_uid: int = 1
    destroyed_seq: int | None = None

    @property
    def seq(self) -> int:
        """That of the last change of the label or of what is in it."""
        return max(self.changed_seq, self.counts_seq)


@dataclass(slots=True)
class Reference:
    """The thread that a hashed Message-ID leads to."""

    thread_id: ThreadId
    seen_at: int


@dataclass(slots=True)
class Draft:
    """A draft and the message that is its newest revision."""

    id: DraftId
    message_id: MessageId
    revision: int
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None


@dataclass(slots=True)
class Recipient:
    """One recipient of a submission; `address` is null once redacted."""

    address: str | None
    status: str = "queued"
    attempts: int = 0
    last_reply: str = ""
    next_attempt_at: str | None = None
    feedback: str = ""


@dataclass(slots=True)
class Submission:
    """A message handed over for sending."""

    id: SubmissionId
    message_id: MessageId
    draft_id: DraftId
    recipients: list[Recipient]
    queued_at: int
    send_at: int
    undo_until: int
    stream: str
    created_seq: int
    changed_seq: int
    status: str = "queued"


@dataclass(slots=True)
class Document:
    """A small thing kept whole; `body` is JSON."""

    body: bytes
    created_seq: int
    changed_seq: int
    destroyed_seq: int | None = None


@dataclass(slots=True)
class Mailbox:
    """Everything that the events so far have made of one mailbox."""

    head: int = 0
    recorded_at: int = 0
    address: str = ""
    used_bytes: int = 0
    quota_bytes: int = 0
    quota_warned: int = 0
    last_uid_validity: int = 0
    sending_blocked: bool = False
    sending_halved: bool = False
    erased: bool = False
    messages: dict[MessageId, Message] = field(default_factory=dict)
    memberships: dict[tuple[LabelId, int], Membership] = field(default_factory=dict)
    labels: dict[LabelId, Label] = field(default_factory=dict)
    thread_created: dict[tuple[ThreadId, LabelId], int] = field(default_factory=dict)
    """The seq of a thread's first message within a label, or (label `""`) in all mail."""
    thread_changed: dict[tuple[ThreadId, LabelId], int] = field(default_factory=dict)
    """The seq of its last change there."""
    references: dict[str, Reference] = field(default_factory=dict)
    references_to: defaultdict[ThreadId, set[str]] = field(default_factory=lambda: defaultdict(set))
    drafts: dict[DraftId, Draft] = field(default_factory=dict)
    submissions: dict[SubmissionId, Submission] = field(default_factory=dict)
    pointing_at: defaultdict[MessageId, list[Draft | Submission]] = field(default_factory=lambda: defaultdict(list))
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)

    def live_messages(self) -> list[Message]:
        """Every message that was not destroyed."""
        return [message for message in self.messages.values() if message.live]

    def live_labels(self) -> list[Label]:
        """Every label that was not deleted."""
        return [label for label in self.labels.values() if label.destroyed_seq is None]
