"""Writing the rows that the events touched: one statement a table, each row once, the rows as one JSON array."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from psycopg import Cursor

from domain.rows import MailboxRow, Rows
from infra.store.row_tables import (
    DOCUMENTS,
    DRAFTS,
    LABELS,
    MEMBERSHIPS,
    MESSAGES,
    REFERENCES,
    SUBMISSIONS,
    THREADS,
    RowTable,
)
from projections.in_step import Touched

_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

_LEAD = (
    "UPDATE thread_references x SET thread_id = n.into_id"
    " FROM unnest(%s::text[], %s::integer[], %s::text[], %s::text[]) AS n(mailbox_id, generation, from_id, into_id)"
    " WHERE x.mailbox_id = n.mailbox_id AND x.generation = n.generation AND x.thread_id = n.from_id"
)
_UPDATE_MAILBOXES = (
    "WITH hit AS (UPDATE mailboxes x SET head = r.head, head_hash = r.hash, recorded_at = r.recorded_at,"
    " used_bytes = r.used_bytes, quota_bytes = r.quota_bytes, quota_warned = r.quota_warned, messages = r.messages,"
    " last_uid_validity = r.last_uid_validity, sending_blocked = r.sending_blocked,"
    " sending_halved = r.sending_halved, erased = r.erased"
    " FROM (SELECT j.*, h.hash, h.head_before, h.hash_before FROM json_to_recordset(%s::json) AS j(mailbox_id text,"
    " head bigint, recorded_at bigint, used_bytes bigint, quota_bytes bigint, quota_warned smallint, messages bigint,"
    " last_uid_validity bigint, sending_blocked boolean, sending_halved boolean, erased boolean)"
    " JOIN unnest(%s::text[], %b::bytea[], %s::bigint[], %b::bytea[]) AS h(id, hash, head_before, hash_before)"
    " ON h.id = j.mailbox_id) r"
    " WHERE x.mailbox_id = r.mailbox_id AND x.head = r.head_before AND x.head_hash = r.hash_before RETURNING 1)"
    " SELECT expect_rows((SELECT count(*) FROM hit), %s)"
)


class Written(msgspec.Struct, frozen=True):
    """A working set after its events, what they touched, and the head before them (compared and set)."""

    rows: Rows
    touched: Touched
    head_before: int
    hash_before: bytes


def write_rows(cursor: Cursor[Any], written: Iterable[Written], *, generation: int | None = None) -> None:
    """Queue one upsert for each table that was touched. `generation` other than the live one: a rebuild."""
    sets = list(written)
    led = [(item, pair) for item in sets for pair in item.touched.threads_led]
    if led:
        cursor.execute(
            _LEAD,
            (
                [item.rows.mailbox.mailbox_id for item, _ in led],
                [generation or item.rows.mailbox.generation for item, _ in led],
                [source for _, (source, _) in led],
                [into for _, (_, into) in led],
            ),
            prepare=True,
        )
    for table, name in _PLACES:
        encoded = [
            _prefixed(item.rows.mailbox, getattr(item.rows, name)[key], generation)
            for item in sets
            for key in getattr(item.touched, name)
        ]
        if encoded:
            cursor.execute(table.upsert, ((b"[" + b",".join(encoded) + b"]").decode(),), prepare=True)


_PLACES: tuple[tuple[RowTable, str], ...] = (
    (MESSAGES, "messages"),
    (MEMBERSHIPS, "memberships"),
    (LABELS, "labels"),
    (THREADS, "threads"),
    (REFERENCES, "references"),
    (DRAFTS, "drafts"),
    (SUBMISSIONS, "submissions"),
    (DOCUMENTS, "documents"),
)


def _prefixed(mailbox: MailboxRow, row: Any, generation: int | None) -> bytes:
    place = b'{"mailbox_id":"%b","generation":%d,' % (
        mailbox.mailbox_id.encode(),
        generation or mailbox.generation,
    )
    return place + _without_nul(_encode(row))[1:]


def _without_nul(json: bytes) -> bytes:
    """Postgres has no NUL in text: what still bears one (gateways replace them first) is shown as U+FFFD."""
    return _NUL.sub(rb"\1\\ufffd", json) if rb"\u0000" in json else json


def write_mailboxes(cursor: Cursor[Any], written: Iterable[Written]) -> None:
    """Queue the compare-and-set of the mailbox rows; it ends the transaction (SQLSTATE LM001) if a head had moved."""
    sets = list(written)
    bare = [msgspec.structs.replace(item.rows.mailbox, head_hash=b"") for item in sets]
    cursor.execute(
        _UPDATE_MAILBOXES,
        (
            _encode(bare).decode(),
            [item.rows.mailbox.mailbox_id for item in sets],
            [item.rows.mailbox.head_hash for item in sets],
            [item.head_before for item in sets],
            [item.hash_before for item in sets],
            len(sets),
        ),
        prepare=True,
    )
