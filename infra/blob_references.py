"""Who holds which object: rows written in the transaction of the holder itself, so that both stand or fall together.

A holder is a string that names its kind first: `mailbox:<id>:<message id>`, `queue:<acceptance>`, `dead:<record>`,
`draft:<id>`, `upload:<id>`, `outbox:<submission>`. The order that keeps a referenced object from ever missing:

1. `touch` the names (every put and every dedup hit), in a transaction that commits, or that goes on to step 3;
2. ask `Blobs.exists`, put what is not there;
3. `hold` within the grace of the collector, in the transaction that makes the holder.

A touch of what the collector is deleting waits until it is gone, whereupon step 2 puts it again; a hold of what was
collected fails with ForeignKeyViolation, whereupon the caller begins again. Rows are locked in the order of their
names, and a hold's lock does not wait for a touch's, so neither can deadlock. Isolation is READ COMMITTED.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from psycopg import Connection, Cursor
from psycopg.rows import scalar_row

Session = Connection[Any] | Cursor[Any]
"""An open connection or cursor, whose transaction is the caller's."""

TOUCH = """
    INSERT INTO blobs (name, size, touched_at)
    SELECT name, size, clock_timestamp() FROM unnest(%s::text[], %s::bigint[]) AS given (name, size) ORDER BY name
    ON CONFLICT (name) DO UPDATE
    SET size = excluded.size, touched_at = greatest(blobs.touched_at, excluded.touched_at), marked_at = NULL
"""
HOLD = """
    INSERT INTO blob_references (holder, name)
    SELECT holder, name FROM unnest(%s::text[], %s::text[]) AS given (holder, name) ORDER BY name, holder
    ON CONFLICT DO NOTHING
"""
RELEASE = """
    WITH released AS MATERIALIZED (
        SELECT holder, name FROM blob_references WHERE holder = ANY(%s::text[]) ORDER BY name, holder FOR UPDATE
    )
    DELETE FROM blob_references AS held USING released
    WHERE held.holder = released.holder AND held.name = released.name
"""


def touch(cur: Session, sizes: Mapping[str, int]) -> None:
    """Start the grace of these objects anew and take the collector's mark off; name → size in bytes as it lies there.

    Waits for a collector that is deleting one of them. One call a transaction: two could lock against the order.
    """
    if sizes:
        cur.execute(TOUCH, (list(sizes), list(sizes.values())))


def hold(cur: Session, holder: str, names: Iterable[str]) -> None:
    """Hold these touched objects for `holder`, beside what it holds already. Safe to repeat.

    Raises: psycopg.errors.ForeignKeyViolation: one of them was never touched or was collected since.
    """
    hold_many(cur, {holder: names})


def hold_many(cur: Session, names: Mapping[str, Iterable[str]]) -> None:
    """`hold` for many holders in one statement; holder → names."""
    pairs = [(holder, name) for holder, held in names.items() for name in held]
    if pairs:
        cur.execute(HOLD, ([holder for holder, _ in pairs], [name for _, name in pairs]))


def release(cur: Session, holder: str) -> None:
    """Let go of all that `holder` held. Safe to repeat."""
    release_many(cur, [holder])


def release_many(cur: Session, holders: Iterable[str]) -> None:
    """`release` for many holders in one statement."""
    if gone := list(holders):
        cur.execute(RELEASE, (gone,))


def names_held(cur: Session, holder: str) -> list[str]:
    """What `holder` holds, in order."""
    return _column(cur, "SELECT name FROM blob_references WHERE holder = %s ORDER BY name", holder)


def holders_of(cur: Session, name: str) -> list[str]:
    """Who holds the object, in order."""
    return _column(cur, "SELECT holder FROM blob_references WHERE name = %s ORDER BY holder", name)


def _column(cur: Session, query: str, key: str) -> list[str]:
    connection = cur.connection if isinstance(cur, Cursor) else cur
    with connection.cursor(row_factory=scalar_row) as cursor:
        return list(cursor.execute(query.encode(), (key,)))


def toucher(
    connect: Callable[[], AbstractContextManager[Connection[Any]]],
) -> Callable[[Mapping[str, int]], None]:
    """Touches objects that are about to be put, and commits."""

    def touched(sizes: Mapping[str, int]) -> None:
        with connect() as connection, connection.transaction():
            touch(connection, sizes)

    return touched
