"""The schedule of relayed mail in Postgres, which is also what hands out what is due (`gateways.outgoing`).

Rows are found by destination: a table of destinations says which has something due, an index of each one's rows which
is first. So the next due one costs the same among 10^5, and a destination that hangs keeps nobody else waiting: at most
`HAND` of its mails are in hands at a time, in those of one relay. Domain rows are locked before, and in the order of,
their names; what is computed of a destination's rows is computed by a statement after that lock.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import PoolTimeout

from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail, OutgoingUnavailableError
from gateways.relay.schedule import Ended, Outcome, Settled, SubmissionKey
from infra.postgres_queue import ATTENDANCE, Connect, shown

HAND = 100
"""Mails of one destination in hands at a time: more than its connections, so that none waits for the next look."""
DOMAINS_AT_ONCE = 64
LEASE_MS = 2 * 3_600_000
"""Longer than any attempt takes; leases of relays that died end much sooner."""
FULL_PAUSE_MS = 1_000
END_PAUSE_MS = 60_000
"""Until it is seen to again that a submission that has ended is told of, should its relay die before."""

_DOMAINS = (
    "INSERT INTO relay_domains AS d (domain, due_at) SELECT n.domain, min(n.due_at)"
    " FROM unnest(%s::text[], %s::bigint[]) AS n(domain, due_at) GROUP BY n.domain ORDER BY n.domain"
    " ON CONFLICT (domain) DO UPDATE SET due_at = least(d.due_at, excluded.due_at)"
)
_ADD = (
    "INSERT INTO relay_schedule AS t (mailbox_id, submission_id, domain, recipients, attempt, due_at, queued_at,"
    " blob, size_bytes) SELECT m, s, d, r::integer[], a, %s, %s, %s, %s"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::integer[])"
    " WITH ORDINALITY AS n(m, s, d, r, a, place) ORDER BY place"
    " ON CONFLICT (mailbox_id, submission_id, domain) DO UPDATE SET recipients = ARRAY("
    "SELECT o FROM unnest(t.recipients) AS o UNION SELECT o FROM unnest(excluded.recipients) AS o ORDER BY 1)"
    " WHERE t.mailbox_id = ''"
)
"""Of what nobody submitted, recipients may come later than others; whoever hands them over knows that they are new."""
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
_LOCK_DOMAINS = "SELECT FROM relay_domains WHERE domain = ANY(%s) ORDER BY domain FOR UPDATE"
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
_FAR = 2**62
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
OUTCOME = (
    "INSERT INTO relay_outcomes (mailbox_id, submission_id, recipient, action, reply) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_ENDED = (
    "SELECT r.mailbox_id, r.submission_id FROM relay_schedule r"
    " JOIN unnest(%s::text[], %s::text[]) AS n(m, s) ON n.m = r.mailbox_id AND n.s = r.submission_id"
    " WHERE NOT EXISTS (SELECT FROM relay_awaited a WHERE a.mailbox_id = n.m AND a.submission_id = n.s)"
    " GROUP BY r.mailbox_id, r.submission_id HAVING bool_and(cardinality(r.recipients) = 0)"
)
_AWAITED_NO_MORE = (
    "DELETE FROM relay_awaited USING unnest(%s::text[], %s::text[]) AS n(m, s)"
    " WHERE mailbox_id = m AND submission_id = s AND until <= %s"
)
"""Before it is read what is told: whoever still adds to it holds the row's lock (`infra.relay.joint_notices`)."""
_TOLD = (
    "SELECT o.mailbox_id, o.submission_id, o.recipient, o.action, o.reply FROM relay_outcomes o"
    " JOIN unnest(%s::text[], %s::text[]) AS n(m, s) ON n.m = o.mailbox_id AND n.s = o.submission_id"
    " ORDER BY o.recipient"
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
_DEAD = (
    "NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %(attendance)s"
    " AND l.objid::bigint = hashtext({0})::bigint & 4294967295 AND l.objsubid = 2"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_TAKERS = (
    "SELECT DISTINCT taken_by FROM relay_domains WHERE taken_by IS NOT NULL"
    " UNION SELECT DISTINCT leased_by FROM relay_schedule WHERE leased_by IS NOT NULL"
)
_DEAD_TAKERS = f"SELECT t FROM unnest(%(takers)s::text[]) AS t WHERE {_DEAD.format('t')}"  # noqa: S608 - constants only
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


def record_holder(acceptance_id: str) -> str:
    """Who holds the object of a record until it is relayed."""
    return f"relay:{acceptance_id}"


def add_rows(
    connection: Connection[Any],
    due: Sequence[DueMail],
    *,
    queued_at: int,
    due_at: int,
    blob: str | None = None,
    size_bytes: int | None = None,
) -> None:
    """In the caller's transaction; what is there already stays as it is. `blob` is what is sent, and `size_bytes` how
    much of it, where that is not the submission's message."""
    connection.execute(_DOMAINS, ([one.domain for one in due], [due_at] * len(due)))
    columns = (
        [one.mailbox_id for one in due],
        [one.submission_id for one in due],
        [one.domain for one in due],
        [_array(one.recipients) for one in due],
        [one.attempt for one in due],
    )
    connection.execute(_ADD, (due_at, queued_at, blob, size_bytes, *columns))


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
    ) -> None:
        self._connect = connect
        self._taker = taker
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._on_doubt = on_doubt or (lambda _count: None)

    def put_all(self, due: Sequence[DueMail]) -> None:
        """Due at once; what is scheduled already stays as it is."""
        now = self._clock_ms()
        with _available(), self._connect() as connection, connection.transaction():
            add_rows(connection, due, queued_at=now, due_at=now)

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
            if (
                connection.execute("SELECT FROM relay_domains WHERE NOT held AND due_at <= %s LIMIT 1", (now,)).rowcount
                < 1
            ):
                return []
            with connection.transaction():
                picked = [domain for (domain,) in connection.execute(_PICK, place)]
                rows = connection.execute(_LEASE, place | {"picked": picked}).fetchall() if picked else []
                _refresh(connection, picked, now)
                if empty := set(picked) - {row[0] for row in rows}:
                    _clear(connection, empty)
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
            _lock(connection, {due.domain for due in finished})
            given_up = {domain for (domain,) in connection.execute(_GIVE_UP, (*columns, self._taker))}
            _refresh(connection, given_up, self._clock_ms())

    def mark(self, due: Sequence[tuple[DueMail, Collection[int]]]) -> Collection[DueMail]:
        """See `Schedule.mark`."""
        mails = [one for one, _places in due]
        columns = (
            [one.mailbox_id for one in mails],
            [one.submission_id for one in mails],
            [one.domain for one in mails],
            [one.attempt for one in mails],
            [_array(places) for _one, places in due],
        )
        with self._connect() as connection, connection.transaction():
            marked = set(connection.execute(_MARK, (*columns, self._taker, self._clock_ms())).fetchall())
        return {one for one in mails if (*_key(one), one.domain) in marked}

    def settle(self, settled: Sequence[Settled]) -> Sequence[Ended]:
        """See `Schedule.settle`."""
        if not settled:
            return []
        keys = sorted({_key(one.due) for one in settled})
        columns = [key.mailbox_id for key in keys], [key.submission_id for key in keys]
        with self._connect() as connection:
            with connection.transaction():
                _lock(connection, {one.due.domain for one in settled})
                with connection.cursor() as cursor:
                    cursor.executemany(_SETTLE, [self._change(one) for one in settled])
                    cursor.executemany(OUTCOME, list(_told_of(settled)))
                _refresh(connection, {one.due.domain for one in settled}, self._clock_ms())
            connection.execute(_AWAITED_NO_MORE, (*columns, self._clock_ms()))
            ended = [SubmissionKey(MailboxId(m), SubmissionId(s)) for m, s in connection.execute(_ENDED, columns)]
            return self._ended(connection, ended) if ended else []

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
            _lock(connection, domains)
            with connection.cursor() as cursor:
                cursor.executemany(_DROP, [(*_key(one), one.domain, self._taker) for one in due])
            _refresh(connection, domains, self._clock_ms())
            _clear(connection, domains)

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
            _lock(connection, domains)
            _refresh(connection, domains, self._clock_ms())
            _clear(connection, domains)

    def end_leases_of_the_dead(self) -> int:
        """What relays held that attend no more is due now; how much that was."""
        now = self._clock_ms()
        with self._connect() as connection, connection.transaction():
            takers = [taker for (taker,) in connection.execute(_TAKERS)]
            place = {"takers": takers, "attendance": ATTENDANCE}
            dead = [taker for (taker,) in connection.execute(_DEAD_TAKERS, place)] if takers else []
            if not dead:
                return 0
            domains = {domain for (domain,) in connection.execute(_OF_THE_DEAD, {"dead": dead})}
            _lock(connection, domains)
            doubts = [doubts for (doubts,) in connection.execute(_END_LEASES, {"dead": dead, "now": now})]
            connection.execute(_UNTAKEN, (now, sorted(domains)))
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

    @staticmethod
    def _ended(connection: Connection[Any], keys: Sequence[SubmissionKey]) -> list[Ended]:
        columns = [key.mailbox_id for key in keys], [key.submission_id for key in keys]
        told: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for mailbox_id, submission_id, recipient, action, reply in connection.execute(_TOLD, columns):
            status = Outcome(recipient, "bounced" if action == "failed" else "relayed", reply)
            told[mailbox_id, submission_id].append(status)
        return [Ended(key, tuple(told[key])) for key in keys]


def _told_of(settled: Iterable[Settled]) -> Iterable[tuple[str, str, int, str, str]]:
    for one in settled:
        for outcome in one.outcomes:
            if outcome.status == "bounced" or outcome.is_to_be_told:
                action = "failed" if outcome.status == "bounced" else "relayed"
                yield (*_key(one.due), outcome.recipient, action, shown(outcome.reply))


def _lock(connection: Connection[Any], domains: Collection[str]) -> None:
    connection.execute(_LOCK_DOMAINS, (sorted(domains),))


def _refresh(connection: Connection[Any], domains: Collection[str], now: int) -> None:
    """The destinations' rows as their mails stand; the caller has locked them, by a statement before this one."""
    if domains:
        place = {"domains": sorted(domains), "hand": HAND, "now": now, "pause": FULL_PAUSE_MS}
        connection.execute(_REFRESH, place)


def _clear(connection: Connection[Any], domains: Collection[str]) -> None:
    """Of a destination without mail no row is left, unless it is held; the caller has locked them."""
    connection.execute(_GONE, (sorted(domains),))
    connection.execute(_IDLE, (_FAR, sorted(domains)))


def _key(due: DueMail) -> SubmissionKey:
    return SubmissionKey(due.mailbox_id, due.submission_id)


def due_of(domain: str, mailbox_id: str, submission_id: str, recipients: list[int], attempt: int) -> DueMail:
    """The due mail of a row."""
    return DueMail(
        domain=domain,
        mailbox_id=MailboxId(mailbox_id),
        submission_id=SubmissionId(submission_id),
        recipients=tuple(recipients),
        attempt=attempt,
    )


def _array(places: Iterable[int]) -> str:
    return "{" + ",".join(map(str, places)) + "}"


@contextmanager
def _available() -> Iterator[None]:
    """Raises OutgoingUnavailableError where the database does not answer."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise OutgoingUnavailableError(str(error)) from error
