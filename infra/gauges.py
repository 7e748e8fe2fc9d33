"""What the database says of the whole installation, for the metrics: every process shows the same."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import PoolTimeout

from gateways.http.ports import Checks, Gauge
from infra.followers import lags
from infra.postgres_queue import Connect
from infra.view_states import view_states

PATIENCE_MS = 5_000
_QUEUE = """
    SELECT count(*), count(*) FILTER (WHERE due_at <= %(now)s),
        coalesce(%(now)s - min(greatest(due_at, accepted_at)) FILTER (WHERE due_at <= %(now)s), 0) FROM queue_records
"""
_FAILED = "SELECT count(*) FROM queue_failures"
_DEAD = "SELECT count(*) FROM dead_letters"
_QUARANTINED = "SELECT count(*) FROM quarantine"
_SENDING = """
    SELECT count(*), count(*) FILTER (WHERE due_at <= %(now)s),
        coalesce(%(now)s - min(due_at) FILTER (WHERE due_at <= %(now)s), 0)
    FROM (SELECT due_at FROM outbox UNION ALL SELECT due_at FROM sending) AS waiting
"""
_LAG_S = """
    WITH woken AS (
        (SELECT DISTINCT view, mailbox_id FROM follower_wakes LIMIT 5000)
        UNION
        (SELECT v, mailbox_id FROM wake CROSS JOIN unnest(%(views)s::text[]) AS v LIMIT 5000)
        UNION
        (SELECT f.view, f.mailbox_id FROM followers f JOIN mailboxes b ON b.mailbox_id = f.mailbox_id
         WHERE f.applied_seq < b.head LIMIT 5000)
    )
    SELECT w.view, greatest(%(now)s - min(e.recorded_at), 0) FROM woken w
    LEFT JOIN followers f ON f.mailbox_id = w.mailbox_id AND f.view = w.view
    JOIN stored_events e ON e.originator_id = w.mailbox_id AND e.originator_version = coalesce(f.applied_seq, 0) + 1
    WHERE f.parked_at IS NULL AND w.view = ANY(%(views)s::text[]) GROUP BY w.view
"""
"""Of some thousand mailboxes that a view is woken for or behind on; where more are, its lag in events tells of it."""


class DatabaseGauges:
    """The port `gateways.http.ports.Gauges` on Postgres; `elsewhere` counts records that wait outside of it."""

    def __init__(
        self,
        connect: Connect,
        checks: Checks,
        views: tuple[str, ...],
        *,
        elsewhere: Callable[[], int] | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._checks = checks
        self._views = views
        self._elsewhere = elsewhere or (lambda: 0)
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def read(self) -> Iterator[Gauge]:
        """All of them; where the database does not answer only which servers do."""
        failing = [one.name for one in self._checks.failing()]
        yield Gauge("failing_checks", "What /readyz names: a server or view that does not answer.", len(failing))
        for name in failing:
            yield Gauge("failing", "1 for each that /readyz names.", 1, ("check", name))
        if "database" not in failing:
            try:
                yield from self._of_database()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout):
                return

    def _of_database(self) -> list[Gauge]:
        with self._connect() as connection, connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            now = self._clock_ms()
            return [*_of_queue(connection, now, self._records_elsewhere()), *self._of_views(connection)]

    def _records_elsewhere(self) -> int | None:
        """None while the other server does not answer: a part of the number would be a wrong one."""
        try:
            return self._elsewhere()
        except ConnectionError:
            return None

    def _of_views(self, connection: Connection[Any]) -> Iterator[Gauge]:
        behind = lags(connection)
        rows = connection.execute(_LAG_S, {"views": list(self._views), "now": self._clock_ms()}).fetchall()
        lag_ms: dict[str, int] = dict(rows)
        states = view_states(connection)
        for view in self._views:
            label = ("view", view)
            events, parked = behind.get(view, (0, 0))
            state = states.get(view)
            yield Gauge("follower_lag_events", "Events that a view is behind.", events, label)
            yield Gauge(
                "follower_lag_seconds", "Age of the oldest event that a view lacks.", lag_ms.get(view, 0) / 1000, label
            )
            yield Gauge("parked_mailboxes", "Mailboxes that a view parked.", parked, label)
            yield Gauge("followers_ready", "Processes that keep a view up.", state.ready if state else 0, label)
            yield Gauge("followers_waiting", "Processes whose follower waits.", state.waiting if state else 0, label)


def _of_queue(connection: Connection[Any], now: int, elsewhere: int | None) -> Iterator[Gauge]:
    records, due, due_ms = _row(connection, _QUEUE, now)
    if elsewhere is not None:
        yield Gauge("queue_records", "Accepted and not yet delivered.", records + elsewhere)
    yield Gauge("queue_due_unclaimed", "Due for delivery and in no worker's hands.", due)
    yield Gauge("queue_due_unclaimed_seconds", "How long the oldest of them has been due.", due_ms / 1000)
    yield Gauge("queue_deferred_recipients", "Wait for another attempt.", _count(connection, _FAILED))
    yield Gauge("dead_letters", "Could not be delivered, wait for an operator.", _count(connection, _DEAD))
    yield Gauge("quarantined", "Infected messages that wait for an operator.", _count(connection, _QUARANTINED))
    submissions, due, due_ms = _row(connection, _SENDING, now)
    yield Gauge("submissions", "Sent by owners and not yet handed on.", submissions)
    yield Gauge("submissions_due_unclaimed", "Due to be handed on and in no sender's hands.", due)
    yield Gauge("submissions_due_unclaimed_seconds", "How long the oldest of them has been due.", due_ms / 1000)


def _count(connection: Connection[Any], query: str) -> int:
    return _row(connection, query, 0)[0]


def _row(connection: Connection[Any], query: str, now: int) -> tuple[int, ...]:
    found = connection.execute(query.encode(), {"now": now}).fetchone()
    assert found is not None
    return tuple(found)
