"""Views that follow: each reads a mailbox after its own cursor and writes view and cursor together.

An append leaves one row in `wake`; the dispatcher fans it out to every view. A follower takes woken mailboxes in turn,
locks their cursors with SKIP LOCKED, deletes their wake-ups, reads each mailbox after its own `applied_seq`, writes and
moves the cursor in one transaction; a mailbox that has more gets one wake-up back. Wake-ups may repeat or come late;
none is lost, and a sweep finds what a crash of anything left behind. What comes within a second of a step is gathered
for the next, for a step costs a commit however little it applies. A mailbox whose events a view cannot take is parked
with the error on show; one that a newer version wrote to waits for the next sweep; the others go on.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import psycopg
from psycopg import Connection

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.stored_form import UnknownTopicError

BATCH_EVENTS = 500
RETRY_PARKED_MS = 300_000
GATHER_S = 1.0
"""From one step to the next, unless more is behind than one takes; what follows a quiet second is applied at once."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, ConnectionError)
_log = logging.getLogger(__name__)


class ViewUnavailableError(Exception):
    """What the view writes to takes nothing at present: its disk is full, or another process still holds it."""


class Numbered(Protocol):
    """An event in some form, with its place in the mailbox's log."""

    @property
    def seq(self) -> int:
        """The place."""


Event = TypeVar("Event", bound=Numbered)
Given = TypeVar("Given", bound=Numbered, covariant=True)
Taken = TypeVar("Taken", bound=Numbered, contravariant=True)


class Source(Protocol[Given]):
    """Where a follower reads a mailbox after its own cursor."""

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> Sequence[Given]:
        """At most `limit` events after `since`, in order and without a gap."""


class View(Protocol[Taken]):
    """A view that follows. Its rows live in the same database, so that view and cursor are one transaction."""

    @property
    def name(self) -> str:
        """The view's name in `followers` and in the metrics."""

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[Taken]) -> int:
        """Write what these events mean, within the caller's transaction. Safe to repeat.

        The seq up to which that was done: less than the last one's where the view must settle before it takes more.
        """

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """The seq that the view really has: `applied_seq`, or less where what lies outside the database lost some.

        Raises: ViewUnavailableError.
        """

    def settle(self) -> None:
        """Make durable what lies outside the database, before the cursors are committed.

        Raises: ViewUnavailableError.
        """


class FollowingView(View[RecordedEvent], Protocol):
    """A view of what the events say."""


_FAN_OUT = """
    WITH taken AS (
        DELETE FROM wake WHERE ctid IN (SELECT ctid FROM wake LIMIT 5000 FOR UPDATE SKIP LOCKED)
        RETURNING mailbox_id, head
    )
    INSERT INTO follower_wakes (view, mailbox_id, head)
    SELECT v, mailbox_id, max(head) FROM taken CROSS JOIN unnest(%s::text[]) AS v GROUP BY v, mailbox_id
"""
_WOKEN = """
    WITH RECURSIVE woken AS (
        (SELECT mailbox_id FROM follower_wakes WHERE view = %(view)s AND mailbox_id > %(after)s
         ORDER BY mailbox_id LIMIT 1)
        UNION ALL
        SELECT (SELECT f.mailbox_id FROM follower_wakes f WHERE f.view = %(view)s AND f.mailbox_id > w.mailbox_id
                ORDER BY f.mailbox_id LIMIT 1) FROM woken w WHERE w.mailbox_id IS NOT NULL
    )
    SELECT mailbox_id FROM woken WHERE mailbox_id IS NOT NULL LIMIT %(limit)s
"""
"""However many wake-ups a mailbox has, it is named once, and its others are not read."""
_CURSORS = """
    INSERT INTO followers (view, mailbox_id) SELECT %s, unnest(%s::text[]) ORDER BY 2 ON CONFLICT DO NOTHING
"""
_LOCK_CURSORS = """
    SELECT mailbox_id, applied_seq FROM followers
    WHERE view = %s AND mailbox_id = ANY (%s::text[]) ORDER BY mailbox_id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_TAKE = "DELETE FROM follower_wakes WHERE view = %s AND mailbox_id = ANY (%s::text[])"
WAKE_AGAIN = """
    INSERT INTO follower_wakes (view, mailbox_id, head)
    SELECT %s, mailbox_id, head FROM mailboxes WHERE mailbox_id = ANY (%s::text[])
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


class _Step:
    """What a follower did in one transaction."""

    def __init__(self) -> None:
        self.moved: dict[MailboxId, int] = {}
        self.parked: dict[MailboxId, Exception] = {}
        self.finished: set[MailboxId] = set()
        self.applied = 0


class Follower(Generic[Event]):
    """Keeps one view up with the log. Any number of followers of one view side by side."""

    def __init__(
        self,
        conninfo: str,
        reader: Source[Event],
        view: View[Event],
        *,
        mailboxes: int = 64,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        self._conninfo = conninfo
        self._reader = reader
        self._view = view
        self._mailboxes = mailboxes
        self._batch_events = batch_events
        self._after = ""
        self._more = False
        self._failing: str | None = None
        self._pause_s = FIRST_PAUSE_S
        self._newer: str | None = None

    @property
    def not_ready(self) -> str | None:
        """Why the view waits: it takes nothing at present, or a newer version wrote events that this one cannot read.

        The one until a step succeeds, the other until a sweep has met no such event.
        """
        return self._failing or self._newer

    def run(
        self, stop: threading.Event, *, poll_s: float = 0.2, sweep_s: float = 60.0, gather_s: float = GATHER_S
    ) -> None:
        """Follow until `stop`, through outages of the database and of what the view writes to."""
        while not stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    self._follow(connection, stop, poll_s, sweep_s, gather_s)
            except (*OUTAGES, ViewUnavailableError) as error:
                _log.warning("%s waits: %s", self._view.name, error)
                self._wait(stop, f"{self._view.name} waits: {error}")
            except Exception as error:  # noqa: BLE001 - a view that stood still for ever would show only in what it lacks
                _log.exception("%s failed and tries again", self._view.name)
                self._wait(stop, f"{self._view.name} failed: {error!r}")

    def _wait(self, stop: threading.Event, why: str) -> None:
        """Until the next try: longer each time that nothing succeeded in between."""
        self._pause_s = FIRST_PAUSE_S if self._failing is None else min(self._pause_s * 2, LONGEST_PAUSE_S)
        self._failing = why
        stop.wait(self._pause_s)

    def _follow(
        self, connection: Connection[Any], stop: threading.Event, poll_s: float, sweep_s: float, gather_s: float
    ) -> None:
        swept = 0.0
        while not stop.is_set():
            if time.monotonic() - swept > sweep_s:
                self._newer = None
                sweep(connection, self._view.name, now_ms=time.time_ns() // 1_000_000)
                swept = time.monotonic()
            began = time.monotonic()
            if not self.step(connection):
                stop.wait(poll_s)
            elif not self._more:
                stop.wait(began + gather_s - time.monotonic())

    def step(self, connection: Connection[Any]) -> int:
        """Take woken mailboxes in turn and apply what they hold; how many events, or mailboxes, that were."""
        with connection.transaction():
            cursors = self._claimed(connection)
            self._more = len(cursors) == self._mailboxes
            if not cursors:
                self._failing = None
                return 0
            ids = [mailbox_id for mailbox_id, _ in cursors]
            # Deleted before the events are read: whoever wakes the view from now on wakes it for what is not read yet.
            self._take(connection, ids)
            step = self._apply_all(connection, cursors)
            self._view.settle()
            connection.execute(_MOVE, (list(step.moved), list(step.moved.values()), self._view.name))
            unfinished = [mailbox_id for mailbox_id in ids if mailbox_id not in step.finished]
            if unfinished:
                self._more = True
                connection.execute(WAKE_AGAIN, (self._view.name, unfinished))
            for mailbox_id, error in step.parked.items():
                self._park(connection, mailbox_id, error)
        self._failing = None
        return max(step.applied, len(ids))

    def _take(self, connection: Connection[Any], mailboxes: Sequence[MailboxId]) -> None:
        connection.execute(_TAKE, (self._view.name, mailboxes))

    def _claimed(self, connection: Connection[Any]) -> list[tuple[MailboxId, int]]:
        """Woken mailboxes behind the one served last, their cursors locked; those that others hold are left out."""
        woken = self._woken(connection, self._after)
        if not woken and self._after:
            woken = self._woken(connection, "")
        if not woken:
            return []
        self._after = woken[-1]
        connection.execute(_CURSORS, (self._view.name, woken))
        return connection.execute(_LOCK_CURSORS, (self._view.name, woken, self._mailboxes)).fetchall()

    def _woken(self, connection: Connection[Any], after: str) -> list[str]:
        parameters = {"view": self._view.name, "after": after, "limit": self._mailboxes * 2}
        return [found for (found,) in connection.execute(_WOKEN, parameters).fetchall()]

    def _apply_all(self, connection: Connection[Any], cursors: Sequence[tuple[MailboxId, int]]) -> _Step:
        step = _Step()
        for mailbox_id, applied_seq in cursors:
            self._after = mailbox_id
            try:
                with connection.transaction():
                    has_room = self._apply(connection, step, mailbox_id, applied_seq)
            except UnknownTopicError as error:
                self._newer = f"{self._view.name} met {error}, written by a newer version"
                _log.warning("mailbox %s waits: %s", mailbox_id, self._newer)
                step.finished.add(mailbox_id)
            except (*OUTAGES, ViewUnavailableError):
                raise
            except Exception as error:  # noqa: BLE001 - parked where an operator sees it
                step.parked[mailbox_id] = error
                step.finished.add(mailbox_id)
            else:
                if not has_room:
                    break
        return step

    def _apply(self, connection: Connection[Any], step: _Step, mailbox_id: MailboxId, applied_seq: int) -> bool:
        """Apply a batch; whether the view takes more before it settles."""
        since = self._view.reached(mailbox_id, applied_seq)
        events = self._reader.batch(mailbox_id, since, limit=self._batch_events)
        if not events:
            step.finished.add(mailbox_id)
            return True
        reached = self._view.apply(connection, mailbox_id, events)
        if reached > since:
            step.applied += reached - since
            step.moved[mailbox_id] = reached
        if reached < events[-1].seq:
            return False
        if len(events) < self._batch_events:
            step.finished.add(mailbox_id)
        return True

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
            except OUTAGES as error:
                _log.warning("the dispatcher waits for the database: %s", error)
                stop.wait(1.0)
