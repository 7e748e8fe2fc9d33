"""What a mailbox holds beside its messages: head, labels, counts, documents, and the net changes of `/sync?fold`."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from domain.events import MAX_IDS_PER_EVENT, SYSTEM_LABELS
from domain.ids import LabelId, MailboxId, MessageId
from domain.rows import LabelRow, MessageRow
from infra.store.row_tables import LABELS, MESSAGES
from infra.views.database import Database, of_mailbox
from projections.mailbox_views import Head, NetChanges
from projections.summaries import summary_json

_LIVE = of_mailbox("x")
_HEAD = "SELECT head, head_hash, used_bytes, quota_bytes, erased FROM mailboxes WHERE mailbox_id = %s"
_LABELS = f"SELECT {LABELS.columns} FROM labels x WHERE {_LIVE}"
_COUNTS = f"SELECT x.label_id, x.total, x.unread FROM labels x WHERE {_LIVE} AND x.destroyed_seq IS NULL"
_DOCUMENTS = (
    f"SELECT x.document_id, x.body FROM documents x WHERE {_LIVE}"
    " AND x.kind = %s AND x.destroyed_seq IS NULL ORDER BY x.document_id"
)
_CHANGED = (
    f"SELECT {MESSAGES.columns} FROM messages x WHERE {_LIVE} AND x.changed_seq > %s"
    " ORDER BY x.changed_seq, x.message_id LIMIT %s"
)

_PAGE = "SELECT labels_since FROM fold_pages WHERE mailbox_id = %s AND next = %s"
_NOTE_PAGE = (
    "INSERT INTO fold_pages AS p (mailbox_id, next, labels_since) VALUES (%s, %s, %s)"
    " ON CONFLICT (mailbox_id, next) DO UPDATE SET labels_since = excluded.labels_since"
    " WHERE p.labels_since > excluded.labels_since"
)


class MailboxFacts:
    """`projections.mailbox_views.MailboxFacts` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, mailbox_id: MailboxId) -> Head | None:
        """Where the stream stands; None for no such mailbox."""
        found = self._database.one(_HEAD, (mailbox_id,))
        return None if found is None else Head(*found)

    def labels(self, mailbox_id: MailboxId) -> list[dict[str, Any]]:
        """Label objects, system labels first, then by path."""
        return _label_objects(LABELS.row(values) for values in self._database.all(_LABELS, (mailbox_id, mailbox_id)))

    def counts(self, mailbox_id: MailboxId) -> dict[LabelId, dict[str, int]]:
        """`{label id: {"total", "unread"}}`."""
        found = self._database.all(_COUNTS, (mailbox_id, mailbox_id))
        return {label_id: {"total": total, "unread": unread} for label_id, total, unread in found}

    def documents(self, mailbox_id: MailboxId, kind: str) -> list[tuple[str, msgspec.Raw]]:
        """(id, JSON body) of the documents of a kind."""
        return [
            (document_id, body) for document_id, body in self._database.all(_DOCUMENTS, (mailbox_id, mailbox_id, kind))
        ]

    def net_changes(self, mailbox_id: MailboxId, since: int, *, limit: int) -> NetChanges:
        """The net changes after `since`; a page ends at a whole seq and may hold a few messages more than `limit`."""
        found = self._changed(mailbox_id, since, limit + 1)
        last = len(found.rows) <= limit
        ended = found.head
        if not last:
            ended = found.rows[limit - 1].changed_seq
            if found.rows[limit].changed_seq == ended:
                found = self._changed(mailbox_id, since, limit + 2 * MAX_IDS_PER_EVENT + 1)
                last = found.rows[-1].changed_seq == ended
        reached = found.head if last else ended
        rows = [row for row in found.rows if row.changed_seq <= reached]
        changed = tuple(summary_json(row) for row in rows if row.destroyed_seq is None)
        removed = tuple(MessageId(row.message_id) for row in rows if row.destroyed_seq is not None)
        if not last:
            self._database.run(_NOTE_PAGE, (mailbox_id, reached, found.labels_since))
            return NetChanges(since, reached, found.head, changed, removed, None, None, None)
        objects = _label_objects(found.labels)
        return NetChanges(
            since,
            reached,
            found.head,
            changed,
            removed,
            tuple(label for label in objects if label["seq"] > found.labels_since),
            _removed(found.labels, found.labels_since),
            {label["id"]: {"total": label["total"], "unread": label["unread"]} for label in objects},
        )

    def _changed(self, mailbox_id: MailboxId, since: int, limit: int) -> "_Found":
        changed, labels, head, page = self._database.snapshot(
            [
                (_CHANGED, (mailbox_id, mailbox_id, since, limit)),
                (_LABELS, (mailbox_id, mailbox_id)),
                (_HEAD, (mailbox_id,)),
                (_PAGE, (mailbox_id, since)),
            ]
        )
        return _Found(
            [MESSAGES.row(values) for values in changed],
            [LABELS.row(values) for values in labels],
            head[0][0] if head else 0,
            page[0][0] if page else since,
        )


class _Found(NamedTuple):
    rows: list[MessageRow]
    labels: list[LabelRow]
    head: int
    labels_since: int
    """Where the first page of these began."""


def _removed(rows: Iterable[LabelRow], since: int) -> tuple[LabelId, ...]:
    gone = sorted((row.destroyed_seq, row.label_id) for row in rows if (row.destroyed_seq or 0) > since)
    return tuple(label_id for _, label_id in gone)


def _label_objects(rows: Iterable[LabelRow]) -> list[dict[str, Any]]:
    live = {row.label_id: row for row in rows if row.destroyed_seq is None}
    objects = [_label_object(row, live) for row in live.values()]
    return sorted(objects, key=_order)


def _label_object(row: LabelRow, labels: dict[LabelId, LabelRow]) -> dict[str, Any]:
    return {
        "id": row.label_id,
        "name": row.name,
        "parent_id": row.parent_id,
        "path": _path(row, labels),
        "role": row.role,
        "total": row.total,
        "unread": row.unread,
        "threads": row.threads,
        "threads_unread": row.threads_unread,
        "size": row.size,
        "seq": max(row.changed_seq, row.counts_seq),
    }


def _path(row: LabelRow, labels: dict[LabelId, LabelRow]) -> str:
    names = [row.name]
    while row.parent_id is not None:
        row = labels[row.parent_id]
        names.append(row.name)
    return "/".join(reversed(names))


def _order(label: dict[str, Any]) -> tuple[int, str, str]:
    known = label["id"] in SYSTEM_LABELS
    place = SYSTEM_LABELS.index(label["id"]) if known else len(SYSTEM_LABELS)
    return place, label["path"].casefold(), label["id"]
