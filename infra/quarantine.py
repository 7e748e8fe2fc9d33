"""The quarantine: infected mail that was accepted, which an operator releases or discards."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from domain.times import DAY_MS
from gateways.queue import Leased, QueueRecord, QueueUnavailableError
from gateways.screening import Screening
from infra import blob_references
from infra.postgres_queue import Connect, decoded, encoded, queue_holder, shown

RELEASED = "released"
"""What the screening says of mail that an operator let pass."""
AT_ONCE = 1000
_log = logging.getLogger(__name__)

_HOLD = (
    "INSERT INTO quarantine AS q (acceptance_id, record, recipients, threat, held_at) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (acceptance_id) DO UPDATE SET recipients ="
    " (SELECT array_agg(DISTINCT r ORDER BY r) FROM unnest(q.recipients || excluded.recipients) AS r)"
)
_HELD = "SELECT acceptance_id, record, recipients, threat, held_at FROM quarantine"
_LIST = f"{_HELD} ORDER BY held_at, acceptance_id LIMIT %s"
_ONE = f"{_HELD} WHERE acceptance_id = %s"
_OLD = f"{_HELD} WHERE held_at < %s ORDER BY held_at LIMIT %s"
_TAKE = "DELETE FROM quarantine WHERE acceptance_id = %s RETURNING record, recipients"
_BACK = (
    "INSERT INTO queue_records AS q (acceptance_id, record, open, accepted_at, due_at) VALUES (%s, %s, %s, %s, 0)"
    " ON CONFLICT (acceptance_id) DO UPDATE SET record = excluded.record, due_at = 0,"
    " open = (SELECT array_agg(DISTINCT r ORDER BY r) FROM unnest(q.open || excluded.open) AS r)"
)


class HeldMail(msgspec.Struct, frozen=True):
    """One message in quarantine, for the recipients (indices) who have not got it. `held_at` is unix milliseconds.

    `record` is missing where what is stored cannot be read.
    """

    acceptance_id: str
    record: QueueRecord | None
    recipients: tuple[int, ...]
    threat: str
    held_at: int

    @property
    def addresses(self) -> list[str]:
        """The forward-paths of those recipients."""
        named = () if self.record is None else self.record.envelope.recipients
        return [named[index].forward_path for index in self.recipients if index < len(named)]


def quarantine_holder(acceptance_id: str) -> str:
    """Who holds the object of a message in quarantine."""
    return f"quarantine:{acceptance_id}"


class PostgresQuarantine:
    """The port `gateways.delivery.virus_gate.Quarantine`, and what an operator does with it. Safe to race."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def hold(self, leased: Leased, *, threat: str) -> None:
        """Take the message over; see `Quarantine.hold`."""
        record, acceptance_id = leased.record, leased.record.acceptance_id
        row = (acceptance_id, encoded(record), list(leased.recipients), shown(threat), self._clock_ms())
        try:
            with self._connect() as connection, connection.transaction():
                blob_references.touch(connection, {record.blob: record.envelope.size_bytes})
                blob_references.hold(connection, quarantine_holder(acceptance_id), [record.blob])
                connection.execute(_HOLD, row)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise QueueUnavailableError(str(error)) from error
        _log.warning("quarantine: %s holds %s", acceptance_id, shown(threat))

    def list(self, *, limit: int = 100) -> Sequence[HeldMail]:
        """The oldest first."""
        return self._found(_LIST, (limit,))

    def find(self, acceptance_id: str) -> HeldMail | None:
        """The message of this acceptance."""
        found = self._found(_ONE, (acceptance_id,))
        return found[0] if found else None

    def release(self, held: HeldMail) -> bool:
        """To its recipients, now, marked as released; false where it is no longer there, or cannot be read."""
        if held.record is None:
            return False
        with self._connect() as connection, connection.transaction():
            taken = connection.execute(_TAKE, (held.acceptance_id,)).fetchone()
            if taken is None:
                return False
            record, recipients = _let_pass(decoded(taken[0])), taken[1]
            blob_references.hold(connection, queue_holder(held.acceptance_id), [record.blob])
            connection.execute(_BACK, (held.acceptance_id, encoded(record), recipients, self._clock_ms()))
            blob_references.release(connection, quarantine_holder(held.acceptance_id))
        return True

    def discard(self, held: HeldMail) -> bool:
        """Nobody gets it, and nobody is told: who sends viruses signs with others' names. False where it is no longer
        there."""
        with self._connect() as connection, connection.transaction():
            return _discarded(connection, held.acceptance_id)

    def expire(self, now_ms: int, *, days: int) -> int:
        """Discard what no operator released in so many days; how much."""
        old = self._found(_OLD, (now_ms - days * DAY_MS, AT_ONCE))
        gone = [held for held in old if self.discard(held)]
        for held in gone:
            _log.warning("quarantine: %s discarded after %s days: %s", held.acceptance_id, days, held.threat)
        return len(gone)

    def _found(self, query: str, place: tuple[Any, ...]) -> Sequence[HeldMail]:
        with self._connect() as connection:
            rows = connection.execute(query.encode(), place).fetchall()
        return [HeldMail(key, _readable(record), tuple(to), threat, at) for key, record, to, threat, at in rows]


def _discarded(connection: Connection[Any], acceptance_id: str) -> bool:
    taken = connection.execute(_TAKE, (acceptance_id,)).fetchone()
    blob_references.release(connection, quarantine_holder(acceptance_id))
    return taken is not None


def _let_pass(record: QueueRecord) -> QueueRecord:
    found = record.envelope.screening or Screening()
    screening = msgspec.structs.replace(found, virus=RELEASED, virus_action="")
    return msgspec.structs.replace(record, envelope=msgspec.structs.replace(record.envelope, screening=screening))


def _readable(stored: bytes) -> QueueRecord | None:
    try:
        return decoded(stored)
    except msgspec.DecodeError:
        return None
