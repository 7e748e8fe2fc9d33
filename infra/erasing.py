"""What goes with an erased mailbox: all that is stored of it beside its sealed log and its row.

`MailboxErased` stands in the log before anything here begins, so no command adds to the mailbox any more. First nobody
gets in and the key is destroyed; then rows and references go in batches, while the views that follow drop what they
hold; blobs that nobody else holds are left to the collector. Repeated until nothing is found and until whatever was
under way at the erasure has ended, so interruptions and late writers leave nothing behind.
"""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from domain.decisions.delivery import mailbox_holder
from domain.ids import MailboxId, MessageId
from infra import blob_references
from infra.keys import Keys
from infra.postgres_queue import Connect
from infra.store.row_tables import SUBMISSIONS, TABLES

ROWS_AT_ONCE = 2000
SETTLED_MS = 3_600_000
"""A request or transaction that was under way at the erasure has ended after so long."""
FOLLOWING_VIEWS = ("search", "contacts", "spam")
MAILBOX_TABLES = (
    *(table.name for table in TABLES if table is not SUBMISSIONS),
    "message_salts",
    "forgetting",
    "fold_pages",
    "rebuilds",
    "recent_deliveries",
    "notices",
    "correspondents",
    "relay_outcomes",
    "sent_trips",
    "relay_awaited",
    "aliases",
    "validations",
    "unsubscribed",
    "spam_taught",
    "spam_counts",
    "spam_tokens",
)
"""Tables with a mailbox id, of which no row is to be left."""
HOLDERS = {
    "submissions": "'outbox:' || submission_id",
    "outbox": "'outbox:' || submission_id",
    "sending": "'outbox:' || submission_id",
    "relay_schedule": "'outbox:' || submission_id",
    "uploads": "'upload:' || upload_id",
}
"""The same, where each row may hold objects: table → who holds them."""
ACCOUNT_TABLES = ("sessions", "app_passwords", "second_factors", "recovery_codes", "http_answers")
"""The same, by account id."""

_ERASED = "SELECT erased FROM mailboxes WHERE mailbox_id = %s"
_UNDER_WAY = (
    "SELECT b.mailbox_id, b.head, b.recorded_at, e.began_at IS NOT NULL FROM mailboxes b"
    " LEFT JOIN erasures e ON e.mailbox_id = b.mailbox_id WHERE b.erased AND e.done_at IS NULL ORDER BY b.mailbox_id"
)
_BEGIN = "INSERT INTO erasures (mailbox_id, began_at) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_SHUT_ACCOUNT = "UPDATE accounts SET state = 'closed', password_hash = NULL WHERE mailbox_id = %s"
_SHUT_DIRECTORY = "UPDATE directory SET state = 'closed' WHERE mailbox_id = %s"
_SET_BACK = (
    "INSERT INTO followers AS f (view, mailbox_id, applied_seq) SELECT v, %s, %s FROM unnest(%s::text[]) AS v"
    " ON CONFLICT (mailbox_id, view) DO UPDATE SET applied_seq = least(f.applied_seq, excluded.applied_seq)"
)
_WAKE = "INSERT INTO follower_wakes (view, mailbox_id, head) SELECT v, %s, %s FROM unnest(%s::text[]) AS v"
_NO_REBUILD = "SELECT pg_try_advisory_xact_lock(hashtextextended('rebuild ' || %s, 0))"
"""A rebuild that began before the erasure may still write rows; see `infra.rebuild`."""
_REMOVE = "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE {1} LIMIT %s))"
_OF_MAILBOX = "mailbox_id = %s"
_OF_ACCOUNT = "account_id = (SELECT account_id FROM accounts WHERE mailbox_id = %s)"
_HOLDERS = "SELECT holder FROM blob_references WHERE starts_with(holder, %s) LIMIT %s"
_HELD = "SELECT DISTINCT name FROM blob_references WHERE holder = ANY (%s)"
_FREE_EXTRACTS = (
    "DELETE FROM extracts e WHERE e.blob = ANY (%s)"
    " AND NOT EXISTS (SELECT FROM blob_references r WHERE r.name = e.blob)"
)
_BEHIND = "SELECT view FROM followers WHERE mailbox_id = %s AND applied_seq < %s ORDER BY view"
_DONE = "UPDATE erasures SET done_at = %s WHERE mailbox_id = %s"
_IS_DONE = "SELECT FROM erasures WHERE mailbox_id = %s AND done_at IS NOT NULL"


def is_erased(connection: Connection[Any], mailbox_id: MailboxId) -> bool:
    """Whether the mailbox was erased: whatever is still stored of it is nobody's to read."""
    return connection.execute(_ERASED, (mailbox_id,)).fetchone() == (True,)


def is_cleared(connection: Connection[Any], mailbox_id: MailboxId) -> bool:
    """Whether the erasure has come to its end: `left_behind` finds nothing then."""
    return connection.execute(_IS_DONE, (mailbox_id,)).fetchone() is not None


def finish_erasures(now_ms: int, *, connect: Connect, keys: Keys, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """A batch of every erased mailbox of which something is left; how many rows went. An erasure cut short goes on.

    Raises: what went wrong with the first mailbox that failed, when the others are done.
    """
    removed, failed = 0, list[Exception]()
    with connect() as connection:
        for mailbox_id, head, erased_at, begun in connection.execute(_UNDER_WAY).fetchall():
            try:
                if not begun:
                    _begin(connection, keys, MailboxId(mailbox_id), head=head, now_ms=now_ms)
                gone = _clear(connection, MailboxId(mailbox_id), rows_at_once)
                removed += gone
                if not gone and now_ms >= erased_at + SETTLED_MS:
                    _end(connection, MailboxId(mailbox_id), head=head, now_ms=now_ms)
            except Exception as error:  # noqa: BLE001 - raised when the others are done
                failed.append(error)
    if failed:
        raise failed[0]
    return removed


def left_behind(connection: Connection[Any], mailbox_id: MailboxId) -> list[str]:
    """What is still stored of an erased mailbox, a line a table: must be nothing once it `is_cleared`."""
    return [f"{table}: {count} rows of an erased mailbox" for table, count in _counts(connection, mailbox_id) if count]


def _begin(connection: Connection[Any], keys: Keys, mailbox_id: MailboxId, *, head: int, now_ms: int) -> None:
    """Nobody gets in, the key is gone, and the views are sent to the end of the log once more, where they drop it."""
    keys.destroy(mailbox_id)
    with connection.transaction():
        connection.execute(_SHUT_ACCOUNT, (mailbox_id,))
        connection.execute(_SHUT_DIRECTORY, (mailbox_id,))
        connection.execute(_BEGIN, (mailbox_id, now_ms))
        connection.execute(_SET_BACK, (mailbox_id, max(head - 1, 0), list(FOLLOWING_VIEWS)))
        connection.execute(_WAKE, (mailbox_id, head, list(FOLLOWING_VIEWS)))


def _clear(connection: Connection[Any], mailbox_id: MailboxId, rows_at_once: int) -> int:
    """Remove some of what is left, in one transaction; how many rows that were."""
    with connection.transaction():
        place = (mailbox_id, rows_at_once)
        removed = sum(connection.execute(statement.encode(), place).rowcount for statement in _removals())
        holders = [
            name
            for table, holder in HOLDERS.items()
            for (name,) in connection.execute(
                f"{_REMOVE.format(table, _OF_MAILBOX)} RETURNING {holder}".encode(), place
            )
        ]
        held = (_prefix(mailbox_id), rows_at_once)
        holders += [holder for (holder,) in connection.execute(_HOLDERS, held)]
        _let_go(connection, holders)
    return removed + len(holders)


def _removals() -> Iterator[str]:
    yield from (_REMOVE.format(table, _OF_MAILBOX) for table in MAILBOX_TABLES)
    yield from (_REMOVE.format(table, _OF_ACCOUNT) for table in ACCOUNT_TABLES)


def _let_go(connection: Connection[Any], holders: list[str]) -> None:
    """Release what these hold; what was read of objects that nobody else holds goes at once, the objects later."""
    names = [name for (name,) in connection.execute(_HELD, (holders,)).fetchall()]
    blob_references.release_many(connection, holders)
    connection.execute(_FREE_EXTRACTS, (names,))


def _end(connection: Connection[Any], mailbox_id: MailboxId, *, head: int, now_ms: int) -> None:
    """Note that nothing is left, where no view is behind and no rebuild writes."""
    with connection.transaction():
        if (
            connection.execute(_NO_REBUILD, (mailbox_id,)).fetchone() == (True,)
            and connection.execute(_BEHIND, (mailbox_id, head)).fetchone() is None
            and not left_behind(connection, mailbox_id)
        ):
            connection.execute(_DONE, (now_ms, mailbox_id))


def _counts(connection: Connection[Any], mailbox_id: MailboxId) -> Iterator[tuple[str, int]]:
    tables = [(table, _OF_MAILBOX) for table in (*MAILBOX_TABLES, *HOLDERS)]
    tables += [(table, _OF_ACCOUNT) for table in ACCOUNT_TABLES]
    for table, which in tables:
        yield table, _count(connection, f"FROM {table} WHERE {which}", mailbox_id)
    yield (
        "blob_references",
        _count(connection, "FROM blob_references WHERE starts_with(holder, %s)", _prefix(mailbox_id)),
    )


def _count(connection: Connection[Any], which: str, value: str) -> int:
    found = connection.execute(f"SELECT count(*) {which}".encode(), (value,)).fetchone()
    return 0 if found is None else int(found[0])


def _prefix(mailbox_id: MailboxId) -> str:
    """What every holder that is a message of this mailbox begins with."""
    return mailbox_holder(mailbox_id, MessageId(""))
