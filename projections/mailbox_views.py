"""The port to the views in step: every question that the query API asks of a mailbox, answered as JSON.

`infra.views` answers from the rows in step, `domain.mailbox_state` from the log alone; tests hold the two together.
Every list is newest first by (time, id) and costs its page, whatever the mailbox holds. Nothing here writes.
"""

from typing import Any, Protocol

import msgspec

from domain.ids import DraftId, LabelId, MailboxId, MessageId, SubmissionId, ThreadId
from domain.rows import DraftRow, MessageRow, SubmissionRow
from projections.page import Page


class Head(msgspec.Struct, frozen=True):
    """Where a mailbox's stream stands, and what of its quota is used (bytes)."""

    seq: int
    hash: bytes
    used_bytes: int
    quota_bytes: int
    erased: bool


class NetChanges(msgspec.Struct, frozen=True):
    """What changed after `since`, net: one page, ending at the whole seq `next`.

    `changed` are summaries, `removed` message ids; labels and counts only on the last page (`next == head`), else null.
    The last page tells of the labels that changed since the first one, however many pages and processes lay between.
    """

    since: int
    next: int
    head: int
    changed: tuple[bytes, ...]
    removed: tuple[MessageId, ...]
    labels_changed: tuple[dict[str, Any], ...] | None
    labels_removed: tuple[LabelId, ...] | None
    counts: dict[LabelId, dict[str, int]] | None


class MessageLists(Protocol):
    """Lists of messages and conversations."""

    def messages(
        self,
        mailbox_id: MailboxId,
        *,
        label: LabelId | None = None,
        unread: bool | None = None,
        starred: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Summaries by (listed_at, id), newest first; without `label` all mail. Raises CursorInvalidError."""

    def threads(
        self, mailbox_id: MailboxId, *, label: LabelId | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Conversations by (latest_at, id): id, latest_at, total, unread, subject, participants, newest summary."""

    def thread(self, mailbox_id: MailboxId, thread_id: ThreadId) -> tuple[bytes, ...]:
        """A conversation's summaries, oldest first by (received_at, id); empty where there is none."""

    def summaries(self, mailbox_id: MailboxId, message_ids: list[MessageId]) -> dict[MessageId, bytes]:
        """Summaries of those of the messages that live."""

    def snapshot(self, mailbox_id: MailboxId, *, cursor: str | None, limit: int) -> tuple[Page, int]:
        """A page of all mail and the head when the snapshot began (carried in the cursor)."""


class MailboxFacts(Protocol):
    """What a mailbox holds beside its messages."""

    def head(self, mailbox_id: MailboxId) -> Head | None:
        """Where the stream stands; None for no such mailbox."""

    def labels(self, mailbox_id: MailboxId) -> list[dict[str, Any]]:
        """Label objects of the HTTP contract: system labels first, then by path."""

    def counts(self, mailbox_id: MailboxId) -> dict[LabelId, dict[str, int]]:
        """`{label id: {"total", "unread"}}`."""

    def documents(self, mailbox_id: MailboxId, kind: str) -> list[tuple[str, msgspec.Raw]]:
        """(id, JSON body) of the documents of a kind: identity, contact, rules, vacation, profile."""

    def net_changes(self, mailbox_id: MailboxId, since: int, *, limit: int) -> NetChanges:
        """What `/sync?fold=true` answers; `limit` messages a page."""


class MailboxRecords(Protocol):
    """Single rows, for opening a message, a draft or a submission."""

    def message(self, mailbox_id: MailboxId, message_id: MessageId) -> MessageRow | None:
        """The live row of a message."""

    def drafts(self, mailbox_id: MailboxId) -> list[DraftRow]:
        """The live drafts, the last saved first."""

    def draft(self, mailbox_id: MailboxId, draft_id: DraftId) -> DraftRow | None:
        """One live draft."""

    def submission(self, mailbox_id: MailboxId, submission_id: SubmissionId) -> SubmissionRow | None:
        """One submission with its recipients."""

    def submissions(
        self, mailbox_id: MailboxId, *, cursor: str | None, limit: int, message_id: MessageId | None = None
    ) -> tuple[list[SubmissionRow], str | None]:
        """Submissions, the last queued first; with `message_id`, those of that message."""
