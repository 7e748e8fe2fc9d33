"""The Postgres side of accepted mail in Kafka: what is noted before a record is handed out, and what moves over.

Kafka has neither delay nor dead letters nor a count of those who died at a record. So a recipient that must wait, and a
record that came to nobody's end, move into the tables of the Postgres queue, before their offset is committed.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import Connection

from gateways.queue import QueueRecord
from infra import blob_references
from infra.postgres_queue import encoded, queue_holder, shown

Recipients = Sequence[int]
Move = tuple[QueueRecord, Recipients]
"""A record and those of its recipients that go over."""
Bounds = Mapping[int, int]
"""Partition → offset."""

UNREADABLE = b"\xc1"
"""No MessagePack begins with it: put back into the queue by an operator, such a letter waits there with its error."""

_TAKEN = "SELECT partition, until_offset FROM incoming_taken WHERE topic = %s AND partition = ANY(%s) FOR UPDATE"
_TAKE = (
    "INSERT INTO incoming_taken AS t (topic, partition, until_offset)"
    " SELECT %s, p, o FROM unnest(%s::integer[], %s::bigint[]) AS n(p, o) ORDER BY p"
    " ON CONFLICT (topic, partition) DO UPDATE SET until_offset = excluded.until_offset"
)
_MOVE = (
    "INSERT INTO queue_records AS q (acceptance_id, record, open, accepted_at, due_at, interruptions)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (acceptance_id) DO UPDATE"
    " SET open = ARRAY(SELECT DISTINCT o FROM unnest(q.open || excluded.open) AS o ORDER BY o),"
    " due_at = CASE WHEN q.leased_by IS NULL THEN least(q.due_at, excluded.due_at) ELSE q.due_at END,"
    " interruptions = greatest(q.interruptions, excluded.interruptions)"
)
"""Recipients that moved before and are settled may come again: a delivery that is repeated doubles nothing."""
_STILL_THERE = "SELECT acceptance_id FROM queue_records WHERE acceptance_id = ANY(%s)"
_BURY = (
    "INSERT INTO dead_letters (acceptance_id, recipient, address, record, error, buried_at)"
    " VALUES (%s, 0, '', %s, %s, %s) ON CONFLICT DO NOTHING"
)


def before(connection: Connection[Any], topic: str, until: Bounds, *, ends: Bounds) -> dict[int, int]:
    """Note up to where records are handed out now; up to where they had been before, by partition.

    What was noted beyond the end of its partition (`ends`) was of another topic of that name.
    """
    partitions = sorted(until)
    found = {p: o for p, o in connection.execute(_TAKEN, (topic, partitions)) if o <= ends.get(p, o)}
    reached = [max(until[p], found.get(p, 0)) for p in partitions]
    connection.execute(_TAKE, (topic, partitions, reached))
    return found


def touch(connection: Connection[Any], records: Iterable[QueueRecord]) -> None:
    """The grace of their objects begins anew: long enough for the append that will hold them."""
    blob_references.touch(connection, {record.blob: record.envelope.size_bytes for record in records})


def move(
    connection: Connection[Any], moves: Sequence[Move], *, now_ms: int, due_at: int = 0, interruptions: int = 0
) -> None:
    """These recipients wait in Postgres from now on, until `due_at`, their objects held. Safe to repeat."""
    if not moves:
        return
    touch(connection, (record for record, _ in moves))
    blob_references.hold_many(connection, {queue_holder(r.acceptance_id): [r.blob] for r, _ in moves})
    rows = [(r.acceptance_id, encoded(r), list(recipients), now_ms, due_at, interruptions) for r, recipients in moves]
    with connection.cursor() as cursor:
        cursor.executemany(_MOVE, sorted(rows))


def release(connection: Connection[Any], acceptance_ids: Sequence[str]) -> None:
    """What delivery held for these records is let go, unless recipients of theirs wait here."""
    here = {found for (found,) in connection.execute(_STILL_THERE, (list(acceptance_ids),))}
    blob_references.release_many(connection, [queue_holder(one) for one in acceptance_ids if one not in here])


def bury_unreadable(connection: Connection[Any], stored: bytes, *, error: str, now_ms: int) -> str:
    """A record that nothing can be made of becomes a dead letter, its bytes behind `UNREADABLE`; its name.

    Safe to repeat.
    """
    name = f"k{hashlib.sha256(stored).hexdigest()[:31]}"
    connection.execute(_BURY, (name, UNREADABLE + stored, shown(error), now_ms))
    return name
