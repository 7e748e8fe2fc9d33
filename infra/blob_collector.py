"""Takes away the objects that nobody holds and nobody touched within the grace.

Three steps, each of which may be interrupted at any line and begun again, by any number of processes at once: *adopt*
gives files without a row one, so that their grace begins; *mark* says which are candidates, where a touch takes the
mark off; *sweep* locks the marked, checks again, deletes the file and then the row. `infra.blob_references` tells why
no object goes missing under a reference.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from psycopg import Connection
from psycopg.rows import scalar_row, tuple_row

from gateways.blobs import BlobMissingError, Blobs

GRACE_S = 86_400
_LISTED_AT_ONCE = 500
_DELETED_AT_ONCE = 50

_UNKNOWN = """
    SELECT name FROM unnest(%s::text[]) AS listed (name)
    WHERE NOT EXISTS (SELECT FROM blobs WHERE blobs.name = listed.name)
"""
_ADOPT = """
    INSERT INTO blobs (name, size, touched_at)
    SELECT name, size, %s FROM unnest(%s::text[], %s::bigint[]) AS found (name, size) ORDER BY name
    ON CONFLICT (name) DO NOTHING
"""
_CANDIDATES = """
    SELECT name FROM blobs
    WHERE name > %s AND marked_at IS NULL AND touched_at <= %s
    AND NOT EXISTS (SELECT FROM blob_references AS held WHERE held.name = blobs.name)
    ORDER BY name LIMIT %s
"""
_MARK = """
    WITH free AS MATERIALIZED (
        SELECT name FROM blobs WHERE name = ANY(%s) AND marked_at IS NULL AND touched_at <= %s
        ORDER BY name FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE blobs SET marked_at = %s FROM free WHERE blobs.name = free.name
"""
_LOCK_MARKED = """
    SELECT name, size FROM blobs WHERE marked_at IS NOT NULL AND name > %s
    ORDER BY name LIMIT %s FOR UPDATE SKIP LOCKED
"""
HELD_OFF_BY = 0x6C6564626C6F62
"""While somebody holds this advisory lock (a backup does), nothing is deleted."""
_MAY_DELETE = "SELECT pg_try_advisory_xact_lock_shared(%s)"
_HELD = "SELECT DISTINCT name FROM blob_references WHERE name = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection took away."""

    deleted: int
    bytes: int


Connect = Callable[[], AbstractContextManager[Connection[Any]]]
"""Opens a connection that its `with` block closes, or gives back to a pool."""


def collect(connect: Connect, blobs: Blobs, *, grace_s: float = GRACE_S, now: datetime | None = None) -> Collected:
    """Collect once. `now` is the database's clock unless it is given.

    What began with no row, as after a crash between a put and its touch, goes one grace after it was first found.
    """
    with connect() as connection:
        moment = now or _clock(connection)
        _adopt(connection, blobs, moment)
        _mark(connection, moment, moment - timedelta(seconds=grace_s))
        return _sweep(connection, blobs)


def _clock(connection: Connection[Any]) -> datetime:
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment


def _adopt(connection: Connection[Any], blobs: Blobs, moment: datetime) -> None:
    names = blobs.names("")
    while batch := list(islice(names, _LISTED_AT_ONCE)):
        with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
            unknown = cursor.execute(_UNKNOWN, (batch,)).fetchall()
            if sizes := dict(_sizes(blobs, unknown)):
                cursor.execute(_ADOPT, (moment, list(sizes), list(sizes.values())))


def _sizes(blobs: Blobs, names: list[str]) -> Iterator[tuple[str, int]]:
    for name in names:
        try:
            yield name, blobs.size(name)
        except BlobMissingError:
            continue  # collected by another process since it was listed


def _mark(connection: Connection[Any], moment: datetime, untouched_since: datetime) -> None:
    last = ""
    while True:
        with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
            found = cursor.execute(_CANDIDATES, (last, untouched_since, _LISTED_AT_ONCE)).fetchall()
            if not found:
                return
            cursor.execute(_MARK, (found, untouched_since, moment))
        last = found[-1]


def _sweep(connection: Connection[Any], blobs: Blobs) -> Collected:
    last, deleted, freed = "", 0, 0
    while True:
        with connection.transaction():
            marked = _locked(connection, last) if _may_delete(connection) else {}
            if not marked:
                return Collected(deleted, freed)
            names = list(marked)
            gone = _delete_unheld(connection, blobs, names)
        last = names[-1]
        deleted += len(gone)
        freed += sum(marked[name] for name in gone)


def _may_delete(connection: Connection[Any]) -> bool:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_MAY_DELETE, (HELD_OFF_BY,)).fetchone() is True


def _locked(connection: Connection[Any], last: str) -> dict[str, int]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute(_LOCK_MARKED, (last, _DELETED_AT_ONCE)).fetchall())


def _delete_unheld(connection: Connection[Any], blobs: Blobs, locked: list[str]) -> list[str]:
    """Delete the locked objects less those held, whose marks go; the file first, so that a crash leaves its row."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        # A statement of its own: the locking one saw the references as they were before it had the locks.
        held = set(cursor.execute(_HELD, (locked,)))
        gone = [name for name in locked if name not in held]
        for name in gone:
            blobs.delete(name)
        cursor.execute("DELETE FROM blobs WHERE name = ANY(%s)", (gone,))
        cursor.execute("UPDATE blobs SET marked_at = NULL WHERE name = ANY(%s)", (list(held),))
    return gone
