"""The tables of the rows in step: their columns in the order of the structs. Writing them is migration 0008's."""

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.rows import (
    DocumentRow,
    DraftRow,
    LabelRow,
    MembershipRow,
    MessageRow,
    RecipientStatus,
    ReferenceRow,
    SubmissionRow,
    ThreadRow,
)


class RowTable(msgspec.Struct, frozen=True):
    """A table: its row type, key columns (after mailbox and generation) and each column's SQL type."""

    name: str
    row_type: type[Any]
    key: tuple[str, ...]
    types: dict[str, str]

    @property
    def columns(self) -> str:
        """The row's columns, for a select list aliased `x`."""
        return ", ".join(f"x.{name}" for name in self.types)

    def row(self, values: Iterable[Any]) -> Any:
        """A row from the values of `columns`."""
        return self.row_type(*values)


MESSAGES = RowTable(
    "messages",
    MessageRow,
    ("message_id",),
    {
        "message_id": "text",
        "origin": "text",
        "thread_id": "text",
        "blob": "text",
        "size": "bigint",
        "received_at": "bigint",
        "listed_at": "bigint",
        "labels": "text[]",
        "uids": "bigint[]",
        "keywords": "text[]",
        "has_attachment": "boolean",
        "summary": "json",
        "delivered_seq": "bigint",
        "created_seq": "bigint",
        "changed_seq": "bigint",
        "destroyed_seq": "bigint",
        "snoozed_until": "bigint",
    },
)
MEMBERSHIPS = RowTable(
    "memberships",
    MembershipRow,
    ("label_id", "uid"),
    {
        "label_id": "text",
        "uid": "bigint",
        "message_id": "text",
        "listed_at": "bigint",
        "unread": "boolean",
        "starred": "boolean",
        "deletion_mark": "boolean",
        "added_at": "bigint",
        "added_seq": "bigint",
        "changed_seq": "bigint",
        "removed_seq": "bigint",
    },
)
LABELS = RowTable(
    "labels",
    LabelRow,
    ("label_id",),
    {
        "label_id": "text",
        "name": "text",
        "parent_id": "text",
        "role": "text",
        "uid_validity": "bigint",
        "next_uid": "bigint",
        "sort_order": "integer",
        "subscribed": "boolean",
        "total": "bigint",
        "unread": "bigint",
        "threads": "bigint",
        "threads_unread": "bigint",
        "size": "bigint",
        "created_seq": "bigint",
        "changed_seq": "bigint",
        "counts_seq": "bigint",
        "destroyed_seq": "bigint",
    },
)
THREADS = RowTable(
    "threads",
    ThreadRow,
    ("thread_id", "label_id"),
    {
        "label_id": "text",
        "thread_id": "text",
        "total": "integer",
        "unread": "integer",
        "latest_at": "bigint",
        "created_seq": "bigint",
        "changed_seq": "bigint",
    },
)
REFERENCES = RowTable(
    "thread_references", ReferenceRow, ("ref",), {"ref": "text", "thread_id": "text", "seen_at": "bigint"}
)
DRAFTS = RowTable(
    "drafts",
    DraftRow,
    ("draft_id",),
    {
        "draft_id": "text",
        "message_id": "text",
        "revision": "integer",
        "created_seq": "bigint",
        "changed_seq": "bigint",
        "destroyed_seq": "bigint",
    },
)


class SubmissionTable(RowTable, frozen=True):
    """Submissions carry their recipients as JSON."""

    def row(self, values: Iterable[Any]) -> SubmissionRow:
        """A row whose recipients are decoded."""
        fields = dict(zip(self.types, values, strict=False))
        fields["recipients"] = msgspec.json.decode(fields["recipients"], type=list[RecipientStatus])
        return SubmissionRow(**fields)


SUBMISSIONS = SubmissionTable(
    "submissions",
    SubmissionRow,
    ("submission_id",),
    {
        "submission_id": "text",
        "message_id": "text",
        "draft_id": "text",
        "status": "text",
        "recipients": "json",
        "queued_at": "bigint",
        "send_at": "bigint",
        "undo_until": "bigint",
        "stream": "text",
        "created_seq": "bigint",
        "changed_seq": "bigint",
    },
)
DOCUMENTS = RowTable(
    "documents",
    DocumentRow,
    ("kind", "document_id"),
    {
        "kind": "text",
        "document_id": "text",
        "body": "json",
        "created_seq": "bigint",
        "changed_seq": "bigint",
        "destroyed_seq": "bigint",
    },
)
TABLES = (MESSAGES, MEMBERSHIPS, LABELS, THREADS, REFERENCES, DRAFTS, SUBMISSIONS, DOCUMENTS)
MAILBOX_COLUMNS = (
    "mailbox_id, head, head_hash, recorded_at, generation, used_bytes, quota_bytes, quota_warned, messages,"
    " last_uid_validity, sending_blocked, sending_halved, erased"
)
