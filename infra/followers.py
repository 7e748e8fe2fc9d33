"""Views that follow: each reads a mailbox after its own cursor and writes view and cursor together.

An append leaves one row in `wake`; the dispatcher fans it out to every view; a follower claims wake-ups with SKIP
LOCKED, reads each mailbox after its own `applied_seq`, writes, moves the cursor and deletes the wake-ups in one
transaction. Wake-ups may repeat or come late; none is lost, and a sweep finds what a crash of anything left behind. A
mailbox whose events a view cannot take is parked with the error on show; the others go on.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
from psycopg import Connection

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.stored_form import UnknownTopicError
from infra.store.reading import StreamReader

BATCH_EVENTS = 500
RETRY_PARKED_MS = 300_000
_log = logging.getLogger(__name__)


class FollowingView(Protocol):
    """A view that follows. Its rows live in the same database, so that view and cursor are one transaction."""

    @property
    def name(self) -> str:
        """The view's name in `followers` and in the metrics."""

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> None:
        """Write what these events mean, within the caller's transaction. Safe to repeat."""

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """The seq that the view really has: `applied_seq`, or less where what lies outside the database lost some."""

    def settle(self) -> None:
        """Make durable what lies outside the database, before the cursors are committed."""


_FAN_OUT = """
    WITH taken AS (
        DELETE FROM wake WHERE ctid IN (SELECT ctid FROM wake LIMIT 5000 FOR UPDATE SKIP LOCKED)
        RETURNING mailbox_id, head
    )
    INSERT INTO follower_wakes (view, mailbox_id, head)
    SELECT v, mailbox_id, max(head) FROM taken CROSS JOIN unnest(%s::text[]) AS v GROUP BY v, mailbox_id
"""
_CLAIM = """
    SELECT mailbox_id, head, ctid::text FROM follower_wakes WHERE view = %s ORDER BY mailbox_id LIMIT %s
    FOR UPDATE SKIP LOCKED
"""
_CURSORS = """
    INSERT INTO followers (view, mailbox_id) SELECT %s, unnest(%s::text[]) ORDER BY 2 ON CONFLICT DO NOTHING
"""
_LOCK_CURSORS = """
    SELECT mailbox_id, applied_seq, parked_at FROM followers
    WHERE view = %s AND mailbox_id = ANY (%s::text[]) ORDER BY mailbox_id FOR NO KEY UPDATE
"""
_MOVE = """
    UPDATE followers f SET applied_seq = n.seq, parked_error = NULL, parked_at = NULL
    FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq) WHERE f.view = %s AND f.mailbox_id = n.mailbox_id
"""
_PARK = "UPDATE followers SET parked_error = %s, parked_at = %s WHERE view = %s AND mailbox_id = %s"
_SWEEP = """
    INSERT INTO follower_wakes (view, mailbox_id, head)
    SELECT %(view)s, b.mailbox_id, b.head FROM mailboxes b
    LEFT JOIN followers f ON f.mailbox_id = b.mailbox_id AND f.view = %(view)s
    WHERE coalesce(f.applied_seq, 0) < b.head
      AND (f.parked_at IS NULL OR f.parked_at < %(retry_before)s)
      AND NOT EXISTS (SELECT FROM follower_wakes w WHERE w.view = %(view)s AND w.mailbox_id = b.mailbox_id)
      AND NOT EXISTS (SELECT FROM wake w WHERE w.mailbox_id = b.mailbox_id)
"""


def fan_out(connection: Connection[Any], views: Sequence[str]) -> int:
    """Hand waiting wake-ups to every view; how many rows that made. Any number of dispatchers side by side."""
    with connection.transaction():
        return connection.execute(_FAN_OUT, (list(views),)).rowcount


def sweep(connection: Connection[Any], view: str, *, now_ms: int) -> int:
    """Wake the view for every mailbox that it is behind on and nobody wakes it for; how many those are."""
    with connection.transaction():
        parameters = {"view": view, "retry_before": now_ms - RETRY_PARKED_MS}
        return connection.execute(_SWEEP, parameters).rowcount


def lags(connection: Connection[Any]) -> dict[str, tuple[int, int]]:
    """For each view that follows: events behind over all mailboxes, and mailboxes parked."""
    found = connection.execute(
        "SELECT f.view, coalesce(sum(b.head - f.applied_seq), 0)::bigint,"
        " count(*) FILTER (WHERE f.parked_error IS NOT NULL)"
        " FROM followers f JOIN mailboxes b USING (mailbox_id) GROUP BY f.view"
    )
    return {view: (behind, parked) for view, behind, parked in found}


class Follower:
    """Keeps one view up with the log. Any number of followers of one view side by side."""

    def __init__(self, conninfo: str, reader: StreamReader, view: FollowingView, *, mailboxes: int = 64) -> None:
        self._conninfo = conninfo
        self._reader = reader
        self._view = view
        self._mailboxes = mailboxes
        self.not_ready: str | None = None
        """Why the view waits: a newer version wrote events that this one cannot read."""

    def run(self, stop: threading.Event, *, poll_s: float = 0.2, sweep_s: float = 60.0) -> None:
        """Follow until `stop`, through outages of the database."""
        while not stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._follow(connection, stop, poll_s, sweep_s)
            except psycopg.OperationalError as error:
                _log.warning("%s waits for the database: %s", self._view.name, error)
                stop.wait(1.0)

    def _follow(self, connection: Connection[Any], stop: threading.Event, poll_s: float, sweep_s: float) -> None:
        swept = 0.0
        while not stop.is_set():
            if time.monotonic() - swept > sweep_s:
                sweep(connection, self._view.name, now_ms=time.time_ns() // 1_000_000)
                swept = time.monotonic()
            if not self.step(connection):
                stop.wait(poll_s)

    def step(self, connection: Connection[Any]) -> int:
        """Claim wake-ups and apply what they announce; how many events that were."""
        parked: dict[MailboxId, Exception] = {}
        with connection.transaction():
            claimed = connection.execute(_CLAIM, (self._view.name, self._mailboxes * 4)).fetchall()
            if not claimed:
                return 0
            ids = sorted({MailboxId(mailbox_id) for mailbox_id, _, _ in claimed})[: self._mailboxes]
            done, moved, applied = self._apply_all(connection, ids, parked)
            self._view.settle()
            connection.execute(_MOVE, (list(moved), list(moved.values()), self._view.name))
            finished = [place for mailbox_id, _, place in claimed if mailbox_id in done]
            connection.execute("DELETE FROM follower_wakes WHERE ctid = ANY (%s::tid[])", (finished,))
            for mailbox_id, error in parked.items():
                self._park(connection, mailbox_id, error)
        return max(applied, len(done))

    def _apply_all(
        self, connection: Connection[Any], ids: list[MailboxId], parked: dict[MailboxId, Exception]
    ) -> tuple[set[MailboxId], dict[MailboxId, int], int]:
        connection.execute(_CURSORS, (self._view.name, ids))
        cursors = connection.execute(_LOCK_CURSORS, (self._view.name, ids)).fetchall()
        done: set[MailboxId] = set()
        moved: dict[MailboxId, int] = {}
        applied = 0
        for mailbox_id, applied_seq, _parked_at in cursors:
            try:
                with connection.transaction():
                    since = self._view.reached(mailbox_id, applied_seq)
                    events = self._reader.batch(mailbox_id, since, limit=BATCH_EVENTS)
                    if events:
                        self._view.apply(connection, mailbox_id, events)
            except UnknownTopicError as error:
                self.not_ready = f"{self._view.name} met {error}, written by a newer version"
                continue
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - parked where an operator sees it
                parked[mailbox_id] = error
                done.add(mailbox_id)
                continue
            applied += len(events)
            if events:
                moved[mailbox_id] = events[-1].seq
            if len(events) < BATCH_EVENTS:
                done.add(mailbox_id)
        return done, moved, applied

    def _park(self, connection: Connection[Any], mailbox_id: MailboxId, error: Exception) -> None:
        _log.error("%s parked mailbox %s: %r", self._view.name, mailbox_id, error)
        now_ms = time.time_ns() // 1_000_000
        connection.execute(_PARK, (repr(error)[:2000], now_ms, self._view.name, mailbox_id))


class Dispatcher:
    """Fans wake-ups out to the views until stopped."""

    def __init__(self, conninfo: str, views: Sequence[str]) -> None:
        self._conninfo = conninfo
        self._views = tuple(views)

    def run(self, stop: threading.Event, *, poll_s: float = 0.1) -> None:
        """Fan out until `stop`, through outages of the database."""
        while not stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    while not stop.is_set():
                        if not fan_out(connection, self._views):
                            stop.wait(poll_s)
            except psycopg.OperationalError as error:
                _log.warning("the dispatcher waits for the database: %s", error)
                stop.wait(1.0)
