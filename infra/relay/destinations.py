"""The destinations of relayed mail: a row each that says whether something of it is due, and who has it in hands.

What is computed of a destination's mails is computed by a statement after the lock of its row; rows are locked before,
and in the order of, their names.
"""

from collections.abc import Collection
from typing import Any

from psycopg import Connection

HAND = 100
"""Mails of one destination in hands at a time: more than its connections, so that none waits for the next look."""
FULL_PAUSE_MS = 1_000
FAR = 2**62
"""When a destination is due for which nothing is kept, since it is held."""

_LOCK = "SELECT FROM relay_domains WHERE domain = ANY(%s) ORDER BY domain FOR UPDATE"
_REFRESH = (
    "UPDATE relay_domains d SET taken_by = n.taken_by,"
    " due_at = CASE WHEN n.hand >= %(hand)s THEN greatest(n.due_at, %(now)s + %(pause)s) ELSE n.due_at END"
    " FROM (SELECT k.domain,"
    " (SELECT min(r.due_at) FROM relay_schedule r WHERE r.domain = k.domain) AS due_at,"
    " (SELECT min(r.leased_by) FROM relay_schedule r WHERE r.domain = k.domain AND r.leased_by IS NOT NULL)"
    " AS taken_by,"
    " (SELECT count(*) FROM relay_schedule r WHERE r.domain = k.domain AND r.leased_by IS NOT NULL"
    " AND r.due_at > %(now)s) AS hand"
    " FROM unnest(%(domains)s::text[]) AS k(domain)) AS n WHERE d.domain = n.domain AND n.due_at IS NOT NULL"
)
_GONE = (
    "DELETE FROM relay_domains d WHERE d.domain = ANY(%s) AND NOT d.held"
    " AND NOT EXISTS (SELECT FROM relay_schedule r WHERE r.domain = d.domain)"
)
_IDLE = (
    "UPDATE relay_domains d SET taken_by = NULL, due_at = %s WHERE d.domain = ANY(%s)"
    " AND NOT EXISTS (SELECT FROM relay_schedule r WHERE r.domain = d.domain)"
)
"""One that is held has a row though nothing is kept for it."""


def lock(connection: Connection[Any], domains: Collection[str]) -> None:
    """In the caller's transaction, against all who take, settle or add mails of these."""
    connection.execute(_LOCK, (sorted(domains),))


def refresh(connection: Connection[Any], domains: Collection[str], now: int) -> None:
    """The destinations' rows as their mails stand; the caller has locked them, by a statement before this one."""
    if domains:
        place = {"domains": sorted(domains), "hand": HAND, "now": now, "pause": FULL_PAUSE_MS}
        connection.execute(_REFRESH, place)


def clear(connection: Connection[Any], domains: Collection[str]) -> None:
    """Of a destination without mail no row is left, unless it is held; the caller has locked them."""
    connection.execute(_GONE, (sorted(domains),))
    connection.execute(_IDLE, (FAR, sorted(domains)))
