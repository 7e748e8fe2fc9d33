"""The port `infra.buckets.Buckets` in Postgres: all processes count together, and a restart forgets nothing.

Counts may be lost in a crash of the database, never more.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection

from infra.accounts.outages import Connect
from infra.buckets import Charge

_CHARGE = (
    "INSERT INTO sign_in_failures AS f (subject, empty_at) VALUES (%(subject)s, %(now)s + %(interval)s)"
    " ON CONFLICT (subject) DO UPDATE SET empty_at = greatest(f.empty_at, %(now)s) + %(interval)s"
    " WHERE greatest(f.empty_at, %(now)s) + %(interval)s <= %(now)s + %(full)s"
)
_EMPTY_AT = "SELECT empty_at FROM sign_in_failures WHERE subject = %s"
_FORGET = "DELETE FROM sign_in_failures WHERE subject = %s"
_LESS = "UPDATE sign_in_failures SET empty_at = empty_at - %s WHERE subject = %s"
_SWEEP = (
    "DELETE FROM sign_in_failures WHERE subject IN (SELECT subject FROM sign_in_failures"
    " WHERE empty_at < %s ORDER BY empty_at LIMIT 8 FOR UPDATE SKIP LOCKED)"
)


class _FullError(Exception):
    """No room, for so many milliseconds; what was added to others is taken back with the transaction."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(wait_ms)
        self.wait_ms = wait_ms


class PostgresBuckets:
    """In a table without a write-ahead log."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def add(self, charges: Sequence[Charge]) -> int:
        """One more in each, or none; see `Buckets.add`."""
        now = self._clock_ms()
        try:
            with self._connect() as connection, connection.transaction():
                for charge in charges:
                    _add(connection, charge, now)
                connection.execute(_SWEEP, (now,))
        except _FullError as full:
            return full.wait_ms
        return 0

    def take_back(self, charges: Sequence[Charge], *, emptied: str | None = None) -> None:
        """One fewer in each; see `Buckets.take_back`."""
        with self._connect() as connection, connection.transaction():
            if emptied is not None:
                connection.execute(_FORGET, (emptied,))
            for subject, bucket in charges:
                connection.execute(_LESS, (bucket.interval_ms, subject))


def _add(connection: Connection[Any], charge: Charge, now: int) -> None:
    subject, bucket = charge
    values = {"subject": subject, "now": now, "interval": bucket.interval_ms, "full": bucket.full_ms}
    if connection.execute(_CHARGE, values).rowcount:
        return
    row = connection.execute(_EMPTY_AT, (subject,)).fetchone()
    raise _FullError(max(1, (row[0] if row else now) + bucket.interval_ms - bucket.full_ms - now))
