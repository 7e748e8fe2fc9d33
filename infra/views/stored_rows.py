"""All rows in step of one mailbox, as plain values: what a rebuild verifies against the fold in memory."""

from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import tuple_row

from domain.ids import MailboxId
from domain.rows import MailboxRow
from infra.store.row_loading import read_json_as_raw
from infra.store.row_tables import (
    DOCUMENTS,
    DRAFTS,
    LABELS,
    MAILBOX_COLUMNS,
    MEMBERSHIPS,
    MESSAGES,
    REFERENCES,
    SUBMISSIONS,
    THREADS,
    RowTable,
)

_TABLES: tuple[tuple[str, RowTable], ...] = (
    ("messages", MESSAGES),
    ("memberships", MEMBERSHIPS),
    ("labels", LABELS),
    ("threads", THREADS),
    ("references", REFERENCES),
    ("drafts", DRAFTS),
    ("submissions", SUBMISSIONS),
    ("documents", DOCUMENTS),
)


def stored_rows(
    connection: Connection[Any], mailbox_id: MailboxId, *, generation: int | None = None
) -> dict[str, dict[Any, dict[str, Any]]]:
    """Every row by table and key, in the live generation or another; empty where there is no such mailbox.

    Read in one snapshot. Keys are as in `domain.mailbox_state.row_dump`: "" for the mailbox row, the id or the tuple of
    ids for the others.
    """
    read_json_as_raw(connection)
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(f"SELECT {MAILBOX_COLUMNS} FROM mailboxes WHERE mailbox_id = %s", (mailbox_id,))
        found = cursor.fetchone()
        if found is None:
            return {}
        mailbox = MailboxRow(*found)
        dump = {"mailbox": {"": msgspec.structs.asdict(mailbox) | {"head_hash": mailbox.head_hash.hex()}}}
        for name, table in _TABLES:
            cursor.execute(
                f"SELECT {table.columns} FROM {table.name} x WHERE x.mailbox_id = %s AND x.generation = %s",
                (mailbox_id, generation or mailbox.generation),
            )
            rows = (table.row(values) for values in cursor.fetchall())
            dump[name] = {_key(table, row): _plain(row) for row in rows}
    return dump


def _key(table: RowTable, row: Any) -> Any:
    key = tuple(getattr(row, column) for column in table.key)
    return key if len(key) > 1 else key[0]


def _plain(row: Any) -> dict[str, Any]:
    fields = msgspec.structs.asdict(row)
    return {name: bytes(value) if isinstance(value, msgspec.Raw) else value for name, value in fields.items()}
