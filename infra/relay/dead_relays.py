"""What relays held that attend no more: others get it."""

from typing import Any

from psycopg import Connection

from infra.postgres_queue import ATTENDANCE
from infra.relay.destinations import lock

_TAKERS = (
    "SELECT DISTINCT taken_by FROM relay_domains WHERE taken_by IS NOT NULL"
    " UNION SELECT DISTINCT leased_by FROM relay_schedule WHERE leased_by IS NOT NULL"
)
_DEAD_TAKERS = (
    "SELECT t FROM unnest(%(takers)s::text[]) AS t"
    " WHERE NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %(attendance)s"
    " AND l.objid::bigint = hashtext(t)::bigint & 4294967295 AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_OF_THE_DEAD = (
    "SELECT domain FROM relay_domains WHERE taken_by = ANY(%(dead)s)"
    " UNION SELECT domain FROM relay_schedule WHERE leased_by = ANY(%(dead)s)"
)
_END_LEASES = (
    "WITH held AS MATERIALIZED (SELECT mailbox_id, submission_id, domain, in_doubt FROM relay_schedule"
    " WHERE leased_by = ANY(%(dead)s) ORDER BY mailbox_id, submission_id, domain FOR UPDATE),"
    " ended AS (UPDATE relay_schedule r SET leased_by = NULL, due_at = %(now)s, in_doubt = '{}' FROM held h"
    " WHERE r.mailbox_id = h.mailbox_id AND r.submission_id = h.submission_id AND r.domain = h.domain)"
    " SELECT cardinality(in_doubt) FROM held"
)
_UNTAKEN = "UPDATE relay_domains SET taken_by = NULL, due_at = least(due_at, %s) WHERE domain = ANY(%s)"


def end_leases_of_the_dead(connection: Connection[Any], now: int) -> list[int]:
    """In the caller's transaction: what they held is due now; of each mail, how many recipients perhaps have it."""
    takers = [taker for (taker,) in connection.execute(_TAKERS)]
    place = {"takers": takers, "attendance": ATTENDANCE}
    dead = [taker for (taker,) in connection.execute(_DEAD_TAKERS, place)] if takers else []
    if not dead:
        return []
    domains = {domain for (domain,) in connection.execute(_OF_THE_DEAD, {"dead": dead})}
    lock(connection, domains)
    doubts = [doubts for (doubts,) in connection.execute(_END_LEASES, {"dead": dead, "now": now})]
    connection.execute(_UNTAKEN, (now, sorted(domains)))
    return doubts
