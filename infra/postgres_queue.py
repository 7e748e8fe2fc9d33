"""The queue as tables of Postgres: leases by `FOR UPDATE SKIP LOCKED`, puts of many threads in one commit.

What a worker did and did not come to tell is done again, and delivery is idempotent. NOTIFY is a hint to workers, sent
after the commit; a poll stands behind it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, Cursor

from gateways.queue import SUSPECT, Leased, QueueRecord, QueueUnavailableError
from infra import blob_references
from infra.datagrams import Mouth
from infra.gathering import Gathering

Connect = Callable[[], AbstractContextManager[Connection[Any]]]
"""Opens a connection that its `with` block closes, or gives back to a pool."""

CHANNEL = "ledgermail_queue"
KIND = "queue"
"""Of the datagrams that say the same on one machine."""
_log = logging.getLogger(__name__)

HEAD_START_MS = 10_000
"""So long ago a record is due when it is put: in the order of their coming, however far clocks are apart up to that."""
_PUT = (
    f"WITH touched AS ({blob_references.TOUCH}), held AS ({blob_references.HOLD})"  # noqa: S608 - constants only
    " INSERT INTO queue_records (acceptance_id, record, open, accepted_at, due_at)"
    f" SELECT n.id, n.record, ARRAY(SELECT generate_series(0, n.recipients - 1)), n.at, n.at - {HEAD_START_MS}"
    " FROM unnest(%s::text[], %b::bytea[], %s::integer[], %s::bigint[]) AS n(id, record, recipients, at) ORDER BY n.id"
    " ON CONFLICT (acceptance_id) DO NOTHING"
)
"""One statement: three cost a client more than the server needs for the work."""
_LEASE = (
    "WITH due AS MATERIALIZED (SELECT acceptance_id, due_at FROM queue_records WHERE due_at <= %(now)s"  # noqa: S608 - constants only
    " ORDER BY due_at, acceptance_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),"
    " leased AS (UPDATE queue_records q SET leased_by = %(worker)s, due_at = %(until)s,"
    " interruptions = greatest(q.interruptions,"
    f" least(q.interruptions + (q.leased_by IS NOT NULL)::integer, {SUSPECT}))"
    " FROM due WHERE q.acceptance_id = due.acceptance_id"
    " RETURNING due.due_at, q.acceptance_id, q.record, q.open, q.interruptions)"
    " SELECT acceptance_id, record, open, interruptions FROM leased ORDER BY due_at, acceptance_id"
)
"""In order: what an update returns comes as its join found it, and mails of a mailbox are numbered as they come."""
_FAILURES = "SELECT acceptance_id, recipient, failures, due_at FROM queue_failures WHERE acceptance_id = ANY(%s)"
_SETTLE = (
    "WITH given AS (SELECT x.id, array_agg(x.r) AS settled"
    " FROM unnest(%s::text[], %s::integer[]) AS x(id, r) GROUP BY x.id),"
    " locked AS MATERIALIZED (SELECT q.acceptance_id, q.open, g.settled FROM queue_records q"
    " JOIN given g ON g.id = q.acceptance_id ORDER BY q.acceptance_id FOR UPDATE OF q),"
    " left_open AS (SELECT l.acceptance_id, array_agg(o) AS open, min(coalesce(f.due_at, 0)) AS due_at"
    " FROM locked l CROSS JOIN unnest(l.open) AS o"
    " LEFT JOIN queue_failures f ON f.acceptance_id = l.acceptance_id AND f.recipient = o"
    " WHERE o <> ALL(l.settled) GROUP BY l.acceptance_id),"
    " kept AS (UPDATE queue_records q SET open = n.open,"
    " leased_by = CASE WHEN n.due_at > %s THEN NULL ELSE q.leased_by END,"
    " interruptions = CASE WHEN n.due_at > %s THEN 0 ELSE q.interruptions END,"
    " due_at = CASE WHEN n.due_at > %s THEN n.due_at ELSE q.due_at END"
    " FROM left_open n WHERE q.acceptance_id = n.acceptance_id)"
    " DELETE FROM queue_records q USING locked l WHERE q.acceptance_id = l.acceptance_id AND l.open <@ l.settled"
    " RETURNING q.acceptance_id"
)
"""A lease ends with the last of its recipients that is settled or postponed; one still in hand keeps it."""
_OPEN_RECORD = "SELECT record FROM queue_records WHERE acceptance_id = %s AND %s = ANY(open) FOR UPDATE"
_FAILED = (
    "INSERT INTO queue_failures (acceptance_id, recipient, due_at, failures, error) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (acceptance_id, recipient) DO UPDATE"
    " SET due_at = excluded.due_at, failures = excluded.failures, error = excluded.error"
)
_DUE_AGAIN = (
    f"UPDATE queue_records q SET leased_by = NULL, interruptions = least(q.interruptions, {SUSPECT}),"  # noqa: S608 - constants only
    " due_at = (SELECT min(f.due_at)"
    " FROM queue_failures f WHERE f.acceptance_id = q.acceptance_id AND f.recipient = ANY(q.open))"
    " WHERE q.acceptance_id = %s"
)
_HAND_BACK = (
    "UPDATE queue_records SET leased_by = NULL, due_at = %s WHERE acceptance_id = ANY(%s) AND leased_by IS NOT NULL"
)
_TAKE_ALONE = (
    f"UPDATE queue_records SET interruptions = greatest(interruptions, {SUSPECT}) + 1"  # noqa: S608 - constants only
    " WHERE acceptance_id = %s AND leased_by IS NOT NULL"
)
_UNREADABLE = (
    "WITH off AS (UPDATE queue_records SET leased_by = NULL, interruptions = 0, due_at = %(due)s"
    " WHERE acceptance_id = %(id)s RETURNING acceptance_id, open)"
    " INSERT INTO queue_failures (acceptance_id, recipient, due_at, failures, error)"
    " SELECT off.acceptance_id, o, %(due)s, 0, %(error)s FROM off CROSS JOIN unnest(off.open) AS o"
    " ON CONFLICT (acceptance_id, recipient) DO UPDATE SET due_at = excluded.due_at, error = excluded.error"
)
_BURY = (
    "INSERT INTO dead_letters (acceptance_id, recipient, address, record, error, buried_at)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
ATTENDANCE = 0x6C6D7764
"""The first key of the advisory locks that living workers hold; the second is a hash of their name."""
ATTENDS = "SELECT pg_advisory_lock_shared(%s, hashtext(%s))"
"""Shared: who comes back waits neither for its own lost connection nor for another whose name has the same hash."""
PAUSE_MS = 2_000
"""After a worker died at a record that it had alone, the next may have it; times the square of how many did."""
_END_LEASES_OF_THE_DEAD = (
    "UPDATE queue_records q"  # noqa: S608 - constants only
    f" SET due_at = least(q.due_at, %(now)s + {PAUSE_MS} * greatest(q.interruptions - {SUSPECT}, 0) ^ 2)"
    " WHERE q.due_at > %(now)s AND q.leased_by IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %(attendance)s"
    " AND l.objid::bigint = hashtext(q.leased_by)::bigint & 4294967295 AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
MAX_ERROR_CHARS = 500
UNREADABLE_PAUSE_MS = 600_000


def queue_holder(acceptance_id: str) -> str:
    """Who holds the objects of a waiting record."""
    return f"queue:{acceptance_id}"


def dead_holder(acceptance_id: str) -> str:
    """Who holds the objects of a record's dead letters."""
    return f"dead:{acceptance_id}"


Row = tuple[str, bytes, list[int], int]
"""Acceptance id, stored record, open recipients, interruptions."""


class _RecipientMissingError(Exception):
    """A recipient is open that the record does not name."""


class PostgresQueue:
    """The port `gateways.queue.Queue` on Postgres; see there."""

    def __init__(
        self, connect: Connect, *, clock_ms: Callable[[], int] | None = None, near: Mouth | None = None
    ) -> None:
        """`near` tells the workers of this machine, where they are all there are."""
        self._connect = connect
        self._near = near
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._puts = Gathering(self.put_all)

    def expect(self, blob: str, *, size_bytes: int) -> None:
        """The object that is about to be put is touched; waits for a collector that is deleting an older one."""
        with self._session() as connection, connection.transaction():
            blob_references.touch(connection, {blob: size_bytes})

    def put(self, record: QueueRecord) -> None:
        """Take a record; durable on return, its object touched and held in the same commit. Safe to repeat."""
        self._puts.run(record)

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """Take many records in one commit; see `Queue.put_all`."""
        with self._session() as connection:
            put_records(connection, records, now_ms=self._clock_ms())
            if self._near is None or not self._near.say([b"put"]):
                _notify(connection)

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """At most `limit` records that are due, for `lease_s` seconds; one that cannot be read is put off."""
        now = self._clock_ms()
        place = {"now": now, "limit": limit, "worker": worker, "until": now + int(lease_s * 1000)}
        with self._session() as connection, connection.transaction():
            rows = connection.execute(_LEASE, place).fetchall()
            if not rows:
                return []
            failed = connection.execute(_FAILURES, ([row[0] for row in rows],)).fetchall()
        return [leased for row in rows if (leased := self._leased_or_put_off(row, failed, now)) is not None]

    def end_leases_of_the_dead(self) -> int:
        """What workers held that attend no more (`infra.queue_hints`) is due now, as if its lease had ended; how much.

        A worker that lives and only lost that connection may lose its leases too: what it holds is then delivered by
        two, and once.
        """
        place = {"now": self._clock_ms(), "attendance": ATTENDANCE}
        with self._session() as connection, connection.transaction():
            return connection.execute(_END_LEASES_OF_THE_DEAD, place).rowcount

    def hand_back(self, leased: Sequence[Leased]) -> None:
        """They were not begun and are due at once; nothing is counted."""
        with self._session() as connection:
            connection.execute(_HAND_BACK, (self._clock_ms(), [one.record.acceptance_id for one in leased]))

    def take_alone(self, leased: Leased) -> None:
        """Counted as a death until the record is settled or postponed; see `Queue.take_alone`."""
        with self._session() as connection:
            connection.execute(_TAKE_ALONE, (leased.record.acceptance_id,))

    def done(self, finished: Sequence[tuple[str, Sequence[int]]]) -> None:
        """These recipients are settled; records without open ones go, and so do their holds."""
        pairs = [(acceptance_id, recipient) for acceptance_id, settled in finished for recipient in settled]
        if not pairs:
            return
        with self._session() as connection, connection.transaction():
            self._settle(connection, pairs)

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """This recipient is due again at `due_at`, having failed so often."""
        acceptance_id = leased.record.acceptance_id
        with self._session() as connection, connection.transaction():
            if connection.execute(_OPEN_RECORD, (acceptance_id, recipient)).fetchone() is not None:
                connection.execute(_FAILED, (acceptance_id, recipient, due_at, failures, shown(error)))
                connection.execute(_DUE_AGAIN, (acceptance_id,))

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """This recipient's delivery becomes a dead letter."""
        acceptance_id = leased.record.acceptance_id
        with self._session() as connection, connection.transaction():
            found = connection.execute(_OPEN_RECORD, (acceptance_id, recipient)).fetchone()
            if found is None:
                return
            names = blob_references.names_held(connection, queue_holder(acceptance_id))
            blob_references.hold(connection, dead_holder(acceptance_id), names)
            address = leased.recipient(recipient).forward_path
            letter = (acceptance_id, recipient, shown(address), found[0], shown(error), self._clock_ms())
            connection.execute(_BURY, letter)
            self._settle(connection, [(acceptance_id, recipient)])
        _log.error("dead letter: %s, recipient %s: %s", acceptance_id, recipient, shown(error))

    def _settle(self, connection: Connection[Any], pairs: Sequence[tuple[str, int]]) -> None:
        now = self._clock_ms()
        place = ([acceptance_id for acceptance_id, _ in pairs], [recipient for _, recipient in pairs], now, now, now)
        gone = connection.execute(_SETTLE, place).fetchall()
        blob_references.release_many(connection, [queue_holder(acceptance_id) for (acceptance_id,) in gone])

    def _leased_or_put_off(self, row: Row, failed: Sequence[tuple[str, int, int, int]], now: int) -> Leased | None:
        """The record; one that cannot be read waits with its error on show, for a program that can, or an operator."""
        try:
            return _leased(row, failed, now)
        except (msgspec.DecodeError, _RecipientMissingError) as unreadable:
            error = shown(f"cannot be read: {unreadable}")
        with self._session() as connection, connection.transaction():
            connection.execute(_UNREADABLE, {"id": row[0], "due": now + UNREADABLE_PAUSE_MS, "error": error})
        _log.error("queue: %s %s", row[0], error)
        return None

    @contextmanager
    def _session(self) -> Iterator[Connection[Any]]:
        try:
            with self._connect() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise QueueUnavailableError(str(error)) from error


def put_records(session: Connection[Any] | Cursor[Any], records: Sequence[QueueRecord], *, now_ms: int) -> None:
    """Put records in one statement, their objects touched and held: within the caller's transaction, or as one."""
    touched = {record.blob: record.envelope.size_bytes for record in records}
    columns = (
        list(touched),
        list(touched.values()),
        [queue_holder(record.acceptance_id) for record in records],
        [record.blob for record in records],
        [record.acceptance_id for record in records],
        [encoded(record) for record in records],
        [len(record.envelope.recipients) for record in records],
        [now_ms] * len(records),
    )
    session.execute(_PUT, columns)


def encoded(record: QueueRecord) -> bytes:
    """The stored form of a record."""
    return msgspec.msgpack.encode(record)


def decoded(stored: bytes) -> QueueRecord:
    """The record of a stored form."""
    return msgspec.msgpack.decode(stored, type=QueueRecord)


def shown(text: str) -> str:
    """One bounded line of text that Postgres takes, whatever a stranger wrote."""
    line = " ".join(text.replace("\0", "\ufffd").split())
    return line.encode(errors="replace").decode()[:MAX_ERROR_CHARS]


def queue_depths(cursor: Cursor[Any]) -> dict[str, int]:
    """How many records wait (`ledgermail_queue_records`) and how many dead letters lie (`ledgermail_dead_letters`)."""
    row = cursor.execute("SELECT (SELECT count(*) FROM queue_records), (SELECT count(*) FROM dead_letters)").fetchone()
    assert row is not None
    return {"ledgermail_queue_records": row[0], "ledgermail_dead_letters": row[1]}


def _notify(connection: Connection[Any]) -> None:
    """A hint only: the records are committed, and a sender told otherwise would send them once more."""
    try:
        connection.execute(f"NOTIFY {CHANNEL}")
    except psycopg.Error as error:
        _log.warning("queue: nobody was notified of what was put, workers find it by themselves: %s", error)


def _leased(row: Row, failed: Sequence[tuple[str, int, int, int]], now: int) -> Leased:
    acceptance_id, stored, open_recipients, interruptions = row
    record = decoded(stored)
    if not all(0 <= recipient < len(record.envelope.recipients) for recipient in open_recipients):
        raise _RecipientMissingError(f"open are {open_recipients} of {len(record.envelope.recipients)} recipients")
    mine = {recipient: (failures, due_at) for of, recipient, failures, due_at in failed if of == acceptance_id}
    due = tuple(recipient for recipient in open_recipients if mine.get(recipient, (0, 0))[1] <= now)
    failures = {recipient: count for recipient, (count, _due_at) in mine.items()}
    return Leased(record, due, failures, interruptions)
