"""The fold as plain rows, table by table, and how two such dumps differ.

Fields are those of `domain.rows`, in their order, less what no event tells (`UNTOLD`).
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from domain.mailbox_state.counting import ThreadCounts, label_counts, thread_counts
from domain.mailbox_state.mailbox import Label, Mailbox, Message

Row = dict[str, Any]
Dump = dict[str, dict[Any, Row]]

TABLES = (
    "mailbox",
    "messages",
    "memberships",
    "labels",
    "threads",
    "references",
    "drafts",
    "submissions",
    "documents",
)
UNTOLD = {
    "mailbox": frozenset({"mailbox_id", "head_hash", "generation"}),
    "submissions": frozenset({"waiting"}),
}
"""Fields that a stored row has and the fold cannot know: left out of every comparison."""


def rows_of(mailbox: Mailbox) -> Dump:
    """Every row, tombstones included.

    Keys: "" (mailbox), message id, (label id, uid), label id, (thread id, label id), ref, draft id, submission id,
    (kind, document id).
    """
    return {
        "mailbox": {"": _mailbox_row(mailbox)},
        "messages": {message.id: _message_row(message) for message in mailbox.messages.values()},
        "memberships": {key: _fields(membership) for key, membership in mailbox.memberships.items()},
        "labels": _label_rows(mailbox),
        "threads": _thread_rows(mailbox),
        "references": {ref: {"ref": ref, **_fields(leads)} for ref, leads in mailbox.references.items()},
        "drafts": {draft.id: _named(_fields(draft), "draft_id") for draft in mailbox.drafts.values()},
        "submissions": _submission_rows(mailbox),
        "documents": {
            (kind, i): {"kind": kind, "document_id": i, **_fields(document)}
            for (kind, i), document in mailbox.documents.items()
        },
    }


def _fields(held: Any) -> Row:
    return {field.name: getattr(held, field.name) for field in fields(held)}


def _named(row: Row, id_field: str) -> Row:
    own_id = row.pop("id")
    return {id_field: own_id, **row}


def _mailbox_row(mailbox: Mailbox) -> Row:
    return {
        "head": mailbox.head,
        "recorded_at": mailbox.recorded_at,
        "used_bytes": mailbox.used_bytes,
        "quota_bytes": mailbox.quota_bytes,
        "quota_warned": mailbox.quota_warned,
        "messages": len(mailbox.live_messages()),
        "last_uid_validity": mailbox.last_uid_validity,
        "sending_blocked": mailbox.sending_blocked,
        "sending_halved": mailbox.sending_halved,
        "erased": mailbox.erased,
    }


def _message_row(message: Message) -> Row:
    labels = sorted(message.places)
    return {
        "message_id": message.id,
        "origin": message.origin,
        "thread_id": message.thread_id,
        "blob": message.blob,
        "size": message.size,
        "received_at": message.received_at,
        "listed_at": message.listed_at,
        "labels": labels,
        "uids": [message.places[label_id].uid for label_id in labels],
        "keywords": sorted(message.keywords),
        "has_attachment": message.has_attachment,
        "summary": None if message.personal is None else msgspec.json.encode(message.personal),
        "delivered_seq": message.delivered_seq,
        "created_seq": message.created_seq,
        "changed_seq": message.changed_seq,
        "destroyed_seq": message.destroyed_seq,
        "snoozed_until": message.snoozed_until,
    }


def _label_rows(mailbox: Mailbox) -> dict[Any, Row]:
    counts = label_counts(mailbox)
    return {label.id: _label_row(label, _fields(counts[label.id])) for label in mailbox.labels.values()}


def _label_row(label: Label, counts: Row) -> Row:
    return {
        "label_id": label.id,
        "name": label.name,
        "parent_id": label.parent_id,
        "role": label.role,
        "uid_validity": label.uid_validity,
        "next_uid": label.next_uid,
        "sort_order": label.sort_order,
        "subscribed": label.subscribed,
        **counts,
        "created_seq": label.created_seq,
        "changed_seq": label.changed_seq,
        "counts_seq": label.counts_seq,
        "destroyed_seq": label.destroyed_seq,
    }


def _thread_rows(mailbox: Mailbox) -> dict[Any, Row]:
    counts = thread_counts(mailbox)
    return {
        (thread_id, label_id): {
            "label_id": label_id,
            "thread_id": thread_id,
            **_fields(counts.get((thread_id, label_id), ThreadCounts())),
            "created_seq": created_seq,
            "changed_seq": mailbox.thread_changed[thread_id, label_id],
        }
        for (thread_id, label_id), created_seq in mailbox.thread_created.items()
    }


def _submission_rows(mailbox: Mailbox) -> dict[Any, Row]:
    return {
        submission.id: {
            "submission_id": submission.id,
            "message_id": submission.message_id,
            "draft_id": submission.draft_id,
            "status": submission.status,
            "recipients": [_fields(recipient) for recipient in submission.recipients],
            "queued_at": submission.queued_at,
            "send_at": submission.send_at,
            "undo_until": submission.undo_until,
            "stream": submission.stream,
            "created_seq": submission.created_seq,
            "changed_seq": submission.changed_seq,
        }
        for submission in mailbox.submissions.values()
    }


def difference(one: Mapping[str, Mapping[Any, Any]], other: Mapping[str, Mapping[Any, Any]]) -> list[str]:
    """Each row or field in which two dumps differ, as `table[key].field: one != other`; empty when they are equal.

    JSON bodies (bytes) are compared by what they say, not by how they are written; structs may stand for dicts.
    """
    found: list[str] = []
    for table in TABLES:
        ours, theirs = one.get(table, {}), other.get(table, {})
        for key in sorted(ours.keys() | theirs.keys()):
            found.extend(_row_difference(table, key, ours.get(key), theirs.get(key)))
    return found


def _row_difference(table: str, key: Any, one: Any, other: Any) -> list[str]:
    where = f"{table}[{key!r}]"
    if one is None or other is None:
        return [f"{where}: only in the {'other' if one is None else 'one'}"]
    ours, theirs = _told(table, one), _told(table, other)
    return [
        f"{where}.{field}: {ours.get(field, '(none)')!r} != {theirs.get(field, '(none)')!r}"
        for field in {**ours, **theirs}
        if field not in ours or field not in theirs or ours[field] != theirs[field]
    ]


def _told(table: str, row: Any) -> Row:
    fields_of_row = msgspec.structs.asdict(row) if isinstance(row, msgspec.Struct) else row
    untold = UNTOLD.get(table, frozenset())
    return {name: _plain(value) for name, value in fields_of_row.items() if name not in untold}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, bytes):
        return msgspec.json.decode(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
