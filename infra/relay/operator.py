"""What an operator sees and does of mail to other hosts, by destination. Each call is one commit."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateways.outgoing import DueMail
from infra.postgres_queue import Connect
from infra.relay.destinations import FAR, clear
from infra.relay.schedule import LEASE_MS
from infra.relay.scheduled_rows import due_of

_LOCK = "SELECT held FROM relay_domains WHERE domain = %s FOR UPDATE"
_OVERVIEW = (
    "SELECT d.domain, d.held, count(r.domain), coalesce(sum(cardinality(r.recipients)), 0)::bigint,"
    " count(r.leased_by), min(r.queued_at), min(r.due_at) FILTER (WHERE r.leased_by IS NULL),"
    " max(r.attempt) - 1, (array_agg(r.last_reply ORDER BY r.last_reply = '', r.due_at DESC))[1]"
    " FROM relay_domains d LEFT JOIN relay_schedule r ON r.domain = d.domain"
    " WHERE %(domain)s::text IS NULL OR d.domain = %(domain)s"
    " GROUP BY d.domain, d.held ORDER BY 4 DESC, d.domain LIMIT %(limit)s"
)
_MAILS = (
    "SELECT mailbox_id, submission_id, cardinality(recipients), attempt - 1, due_at, queued_at, leased_by IS NOT NULL,"
    " last_reply FROM relay_schedule WHERE domain = %s ORDER BY due_at, number LIMIT %s"
)
_DUE = "UPDATE relay_schedule SET due_at = %s WHERE domain = %s AND leased_by IS NULL AND cardinality(recipients) > 0"
_DOMAIN_DUE = "UPDATE relay_domains SET due_at = least(due_at, %s) WHERE domain = %s"
_HOLD = (
    "INSERT INTO relay_domains (domain, due_at, held) VALUES (%s, %s, true)"
    " ON CONFLICT (domain) DO UPDATE SET held = true"
)
_RELEASE = "UPDATE relay_domains SET held = false WHERE domain = %s"
_CLAIM = (
    "UPDATE relay_schedule SET leased_by = %s, due_at = %s WHERE domain = %s AND leased_by IS NULL"
    " RETURNING domain, mailbox_id, submission_id, recipients, attempt"
)


class Waiting(NamedTuple):
    """What is kept for a destination. Times are unix milliseconds; none where nothing is kept."""

    domain: str
    is_held: bool
    mails: int
    recipients: int
    in_hand: int
    oldest_at: int | None
    next_at: int | None
    attempts: int | None
    last_reply: str | None


class WaitingMail(NamedTuple):
    """One mail to a destination: how many recipients are open, how often it was tried, when it is due again."""

    mailbox_id: str
    submission_id: str
    recipients: int
    attempts: int
    due_at: int
    queued_at: int
    is_in_hand: bool
    last_reply: str


class RelayOperator:
    """On the schedule's tables."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def destinations(self, *, limit: int, domain: str | None = None) -> Sequence[Waiting]:
        """Those for which something is kept or that are held, the most recipients first."""
        with self._connect() as connection:
            return [Waiting(*row) for row in connection.execute(_OVERVIEW, {"domain": domain, "limit": limit})]

    def mails(self, domain: str, *, limit: int) -> Sequence[WaitingMail]:
        """What is kept for a destination, the first due first."""
        with self._connect() as connection:
            return [WaitingMail(*row) for row in connection.execute(_MAILS, (domain, limit))]

    def retry(self, domain: str) -> int:
        """All of it is due now; how many mails that are."""
        now = self._clock_ms()
        with self._connect() as connection, connection.transaction():
            connection.execute(_LOCK, (domain,))
            mails = connection.execute(_DUE, (now, domain)).rowcount
            connection.execute(_DOMAIN_DUE, (now, domain))
            return mails

    def hold(self, domain: str) -> None:
        """Nothing is sent there until it is released, new mail included; what is under way may end."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_HOLD, (domain, FAR))

    def release(self, domain: str) -> bool:
        """What was held is sent as it is due; whether it was held."""
        with self._connect() as connection, connection.transaction():
            found = connection.execute(_LOCK, (domain,)).fetchone()
            connection.execute(_RELEASE, (domain,))
            clear(connection, [domain])
            return found is not None and bool(found[0])

    def claim(self, domain: str, taker: str) -> Sequence[DueMail]:
        """All of it that is in nobody's hand, due or not, into those of `taker`, who attends."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_LOCK, (domain,))
            rows = connection.execute(_CLAIM, (taker, self._clock_ms() + LEASE_MS, domain)).fetchall()
            return [due_of(*row) for row in rows]
