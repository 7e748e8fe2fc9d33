"""The schedule of relayed mail in Postgres, which is also what hands out what is due (`gateways.outgoing`).

Rows are found by destination: a table of destinations says which has something due, an index of each one's rows which
is first (`infra.relay.destinations`). So the next due one costs the same among 10^5, and a destination that hangs keeps
nobody else waiting: at most `HAND` of its mails are in hands at a time, in those of one relay.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from gateways.outgoing import DueMail, OutgoingUnavailableError
from gateways.relay.schedule import Ended, Settled, SubmissionKey
from gateways.relay.sent_copy import SentCopy
from infra.postgres_queue import Connect, shown
from infra.relay.dead_relays import end_leases_of_the_dead
from infra.relay.destinations import HAND, clear, lock, refresh
from infra.relay.outcomes import ended_of, note_outcomes
from infra.relay.scheduled_rows import NewRow, add_rows, array, due_of, key_of, record_holder
from infra.relay.sent_trips import SentTrips

DOMAINS_AT_ONCE = 64
LEASE_MS = 2 * 3_600_000
"""Longer than any attempt takes; leases of relays that died end much sooner."""
END_PAUSE_MS = 60_000
"""Until it is seen to again that a submission that has ended is told of, should its relay die before."""

_ANY_DUE = "SELECT FROM relay_domains WHERE NOT held AND due_at <= %s LIMIT 1"
_PICK = (
    "SELECT domain FROM relay_domains WHERE NOT held AND due_at <= %(now)s"
    " AND (taken_by IS NULL OR taken_by = %(taker)s) ORDER BY due_at, domain LIMIT %(domains)s FOR UPDATE SKIP LOCKED"
)
_LEASE = (
    "WITH picked AS MATERIALIZED (SELECT s.* FROM unnest(%(picked)s::text[]) AS d(domain) CROSS JOIN LATERAL ("
    " SELECT r.mailbox_id, r.submission_id, r.domain, r.due_at, r.number FROM relay_schedule r"
    " WHERE r.domain = d.domain AND r.due_at <= %(now)s ORDER BY r.due_at, r.number"
    " LIMIT greatest(0, %(hand)s - (SELECT count(*) FROM relay_schedule l"
    " WHERE l.domain = d.domain AND l.leased_by IS NOT NULL AND l.due_at > %(now)s))) AS s LIMIT %(limit)s),"
    " leased AS (UPDATE relay_schedule r SET leased_by = %(taker)s, due_at = %(until)s FROM picked p"
    " WHERE r.mailbox_id = p.mailbox_id AND r.submission_id = p.submission_id AND r.domain = p.domain"
    " RETURNING p.due_at, p.number, r.domain, r.mailbox_id, r.submission_id, r.recipients, r.attempt)"
    " SELECT domain, mailbox_id, submission_id, recipients, attempt FROM leased ORDER BY due_at, number"
)
_MARK = (
    "UPDATE relay_schedule r SET in_doubt = r.in_doubt || n.places::integer[]"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::integer[], %s::text[])"
    " AS n(mailbox_id, submission_id, domain, attempt, places)"
    " WHERE r.mailbox_id = n.mailbox_id AND r.submission_id = n.submission_id AND r.domain = n.domain"
    " AND r.attempt = n.attempt AND r.leased_by = %s AND r.due_at > %s"
    " RETURNING r.mailbox_id, r.submission_id, r.domain"
)
_SETTLE = (
    "UPDATE relay_schedule SET"
    " recipients = ARRAY(SELECT o FROM unnest(recipients) AS o WHERE o <> ALL(%(final)s::integer[]) ORDER BY o),"
    " in_doubt = ARRAY(SELECT o FROM unnest(in_doubt) AS o WHERE o <> ALL(%(known)s::integer[])),"
    " last_reply = CASE WHEN %(reply)s::text IS NULL THEN last_reply ELSE %(reply)s END,"
    " attempt = attempt + (%(again)s::bigint IS NOT NULL)::integer,"
    " leased_by = CASE WHEN %(again)s::bigint IS NULL THEN leased_by END,"
    " due_at = CASE WHEN %(again)s::bigint IS NULL THEN due_at"
    " WHEN recipients <@ %(final)s::integer[] THEN %(ended)s ELSE %(again)s END"
    " WHERE mailbox_id = %(mailbox)s AND submission_id = %(submission)s AND domain = %(domain)s"
    " AND attempt = %(attempt)s AND leased_by = %(taker)s"
)
_OPEN = (
    "SELECT o, last_reply FROM relay_schedule CROSS JOIN unnest(recipients) AS o"
    " WHERE mailbox_id = %s AND submission_id = %s ORDER BY o"
)
_DELAY_TOLD = "UPDATE relay_schedule SET delay_told = true WHERE mailbox_id = %s AND submission_id = %s"
_FORGET = "DELETE FROM {0} r USING unnest(%s::text[], %s::text[]) AS n(m, s) WHERE mailbox_id = m AND submission_id = s"
_FORGET_ROWS = _FORGET.format("relay_schedule") + " AND cardinality(r.recipients) = 0 RETURNING r.domain"
_FORGET_OUTCOMES = _FORGET.format("relay_outcomes")
_DROP = "DELETE FROM relay_schedule WHERE mailbox_id = %s AND submission_id = %s AND domain = %s AND leased_by = %s"
_RECORDS_DONE = "UPDATE relay_records SET done_at = %s WHERE acceptance_id = ANY(%s)"
_LET_GO = "DELETE FROM blob_references WHERE holder = ANY(%s)"
_GIVE_UP = (
    "UPDATE relay_schedule r SET leased_by = NULL"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::integer[]) AS n(mailbox_id, submission_id, domain, attempt)"
    " WHERE r.mailbox_id = n.mailbox_id AND r.submission_id = n.submission_id AND r.domain = n.domain"
    " AND r.attempt = n.attempt AND r.leased_by = %s RETURNING r.domain"
)


class PostgresSchedule:
    """The ports `gateways.relay.schedule.Schedule` and `gateways.outgoing.OutgoingMail` for one taker; see there.

    `taker` attends as workers do (`infra.queue_hints`): what it holds when it attends no more is given to others.
    `on_doubt` is told how many recipients of the dead may get the message twice.
    """

    def __init__(
        self,
        connect: Connect,
        taker: str,
        *,
        clock_ms: Callable[[], int] | None = None,
        on_doubt: Callable[[int], None] | None = None,
        archive: SentTrips | None = None,
    ) -> None:
        self._connect = connect
        self._taker = taker
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._on_doubt = on_doubt or (lambda _count: None)
        self._archive = archive

    def put_all(self, due: Sequence[DueMail]) -> None:
        """Due at once; what is scheduled already stays as it is."""
        now = self._clock_ms()
        with _available(), self._connect() as connection, connection.transaction():
            add_rows(connection, [NewRow(one, now) for one in due], due_at=now)

    def take(self, *, limit: int) -> Sequence[DueMail]:
        """Lease what is due, `HAND` of a destination at most."""
        now = self._clock_ms()
        place = {
            "now": now,
            "taker": self._taker,
            "domains": DOMAINS_AT_ONCE,
            "hand": HAND,
            "limit": limit,
            "until": now + LEASE_MS,
        }
        with _available(), self._connect() as connection:
            if connection.execute(_ANY_DUE, (now,)).rowcount < 1:
                return []
            with connection.transaction():
                picked = [domain for (domain,) in connection.execute(_PICK, place)]
                rows = connection.execute(_LEASE, place | {"picked": picked}).fetchall() if picked else []
                refresh(connection, picked, now)
                if empty := set(picked) - {row[0] for row in rows}:
                    clear(connection, empty)
        return [due_of(*row) for row in rows]

    def done(self, finished: Sequence[DueMail]) -> None:
        """What was settled has gone on to its next attempt or is gone; what was not is due when its lease ends."""
        if not finished:
            return
        columns = (
            [due.mailbox_id for due in finished],
            [due.submission_id for due in finished],
            [due.domain for due in finished],
            [due.attempt for due in finished],
        )
        with _available(), self._connect() as connection, connection.transaction():
            lock(connection, {due.domain for due in finished})
            given_up = {domain for (domain,) in connection.execute(_GIVE_UP, (*columns, self._taker))}
            refresh(connection, given_up, self._clock_ms())

    def mark(
        self, due: Sequence[tuple[DueMail, Collection[int]]], copies: Mapping[DueMail, SentCopy] | None = None
    ) -> Collection[DueMail]:
        """See `Schedule.mark`."""
        mails = [one for one, _places in due]
        columns = (
            [one.mailbox_id for one in mails],
            [one.submission_id for one in mails],
            [one.domain for one in mails],
            [one.attempt for one in mails],
            [array(places) for _one, places in due],
        )
        now = self._clock_ms()
        with self._connect() as connection, connection.transaction():
            marked = set(connection.execute(_MARK, (*columns, self._taker, now)).fetchall())
            ours = {one: places for one, places in due if (*key_of(one), one.domain) in marked}
            if self._archive is not None and copies:
                sent = {one: (places, copies[one]) for one, places in ours.items() if one in copies}
                self._archive.add(connection, sent, at=now)
        return set(ours)

    def settle(self, settled: Sequence[Settled]) -> Sequence[Ended]:
        """See `Schedule.settle`."""
        if not settled:
            return []
        keys = sorted({key_of(one.due) for one in settled})
        with self._connect() as connection:
            with connection.transaction():
                lock(connection, {one.due.domain for one in settled})
                with connection.cursor() as cursor:
                    cursor.executemany(_SETTLE, [self._change(one) for one in settled])
                note_outcomes(connection, settled)
                refresh(connection, {one.due.domain for one in settled}, self._clock_ms())
            return ended_of(connection, keys, now_ms=self._clock_ms())

    def open_recipients(self, key: SubmissionKey) -> Mapping[int, str]:
        """See `Schedule.open_recipients`."""
        with self._connect() as connection:
            return dict(connection.execute(_OPEN, key).fetchall())

    def note_delay(self, key: SubmissionKey) -> None:
        """See `Schedule.note_delay`."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_DELAY_TOLD, key)

    def drop(self, due: Collection[DueMail]) -> None:
        """See `Schedule.drop`."""
        domains = {one.domain for one in due}
        with self._connect() as connection, connection.transaction():
            lock(connection, domains)
            with connection.cursor() as cursor:
                cursor.executemany(_DROP, [(*key_of(one), one.domain, self._taker) for one in due])
            refresh(connection, domains, self._clock_ms())
            clear(connection, domains)

    def forget(self, ended: Collection[SubmissionKey]) -> None:
        """See `Schedule.forget`."""
        if not ended:
            return
        columns = [key.mailbox_id for key in ended], [key.submission_id for key in ended]
        records = [key.submission_id for key in ended if not key.mailbox_id]
        with self._connect() as connection, connection.transaction():
            domains = {domain for (domain,) in connection.execute(_FORGET_ROWS, columns)}
            connection.execute(_FORGET_OUTCOMES, columns)
            connection.execute(_RECORDS_DONE, (self._clock_ms(), records))
            connection.execute(_LET_GO, ([record_holder(one) for one in records],))
        with self._connect() as connection, connection.transaction():
            lock(connection, domains)
            refresh(connection, domains, self._clock_ms())
            clear(connection, domains)

    def end_leases_of_the_dead(self) -> int:
        """What relays held that attend no more is due now; how much that was."""
        with self._connect() as connection, connection.transaction():
            doubts = end_leases_of_the_dead(connection, self._clock_ms())
        if doubts:
            self._on_doubt(sum(doubts))
        return len(doubts)

    def _change(self, one: Settled) -> dict[str, Any]:
        open_ones = [outcome for outcome in one.outcomes if outcome.status == "deferred"]
        return {
            "final": [outcome.recipient for outcome in one.outcomes if outcome.status != "deferred"],
            "known": [outcome.recipient for outcome in one.outcomes],
            "reply": shown(open_ones[-1].reply) if open_ones else None,
            "again": one.due_again_at,
            "ended": self._clock_ms() + END_PAUSE_MS,
            "mailbox": one.due.mailbox_id,
            "submission": one.due.submission_id,
            "domain": one.due.domain,
            "attempt": one.due.attempt,
            "taker": self._taker,
        }


@contextmanager
def _available() -> Iterator[None]:
    """Raises OutgoingUnavailableError where the database does not answer."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise OutgoingUnavailableError(str(error)) from error
