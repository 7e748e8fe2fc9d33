"""What is kept of other hosts' TLS: MTA-STS policies, and counts of how connections fared."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, date, datetime
from threading import Lock

from gateways.relay.sts import KeptPolicy
from gateways.relay.tls_outcomes import TlsOutcome
from infra.postgres_queue import Connect, shown

MAX_POLICIES = 10_000
"""In memory."""
MAX_COUNTS = 10_000
"""Kinds of outcomes between two writes; what comes beyond is not counted."""
KEPT_DAYS = 60

_GET = "SELECT policy_id, policy, expires_at FROM mta_sts_policies WHERE domain = %s"
_PUT = (
    "INSERT INTO mta_sts_policies AS p (domain, policy_id, policy, fetched_at, expires_at) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, policy = excluded.policy,"
    " fetched_at = excluded.fetched_at, expires_at = excluded.expires_at WHERE p.fetched_at <= excluded.fetched_at"
)
_COUNT = (
    "INSERT INTO tls_outcomes AS t (day, domain, policy, result, host, sessions) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (day, domain, policy, result, host) DO UPDATE SET sessions = t.sessions + excluded.sessions"
)
_OLD_COUNTS = "DELETE FROM tls_outcomes WHERE day < %s"
_OLD_POLICIES = "DELETE FROM mta_sts_policies WHERE expires_at < %s"


class PostgresPolicies:
    """The port `gateways.relay.sts.PolicyStore`, for one event loop; what lies in the database is read once."""

    def __init__(self, connect: Connect, executor: Executor, *, clock_ms: Callable[[], int]) -> None:
        self._connect = connect
        self._executor = executor
        self._clock_ms = clock_ms
        self._known: dict[str, KeptPolicy | None] = {}

    async def get(self, domain: str) -> KeptPolicy | None:
        """See `PolicyStore.get`."""
        if domain not in self._known:
            found = await asyncio.get_running_loop().run_in_executor(self._executor, self._read, domain)
            self._remember(domain, found)
        return self._known.get(domain)

    async def put(self, domain: str, kept: KeptPolicy) -> None:
        """See `PolicyStore.put`."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._write, domain, kept)
        self._remember(domain, kept)

    def _remember(self, domain: str, kept: KeptPolicy | None) -> None:
        if len(self._known) >= MAX_POLICIES:
            self._known.clear()
        self._known[domain] = kept

    def _read(self, domain: str) -> KeptPolicy | None:
        with self._connect() as connection:
            found = connection.execute(_GET, (domain,)).fetchone()
        return None if found is None else KeptPolicy(*found)

    def _write(self, domain: str, kept: KeptPolicy) -> None:
        with self._connect() as connection, connection.transaction():
            text = kept.text.replace("\0", "")
            connection.execute(_PUT, (domain, kept.policy_id, text, self._clock_ms(), kept.expires_at))


class TlsCounts:
    """The port `gateways.relay.tls_outcomes.TlsOutcomes`; `write` brings to the database what was counted since."""

    def __init__(self, connect: Connect, *, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self._connect = connect
        self._today = today
        self._lock = Lock()
        self._counts: Counter[tuple[date, TlsOutcome]] = Counter()

    def count(self, outcome: TlsOutcome) -> None:
        """See `TlsOutcomes.count`."""
        key = (self._today(), outcome)
        with self._lock:
            if key in self._counts or len(self._counts) < MAX_COUNTS:
                self._counts[key] += 1

    def write(self) -> None:
        """Bring what was counted to the database; where that fails it is tried with the next."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        rows = [
            (day, one.domain, one.policy, one.result, shown(one.host)[:255], sessions)
            for (day, one), sessions in sorted(counts.items())
        ]
        try:
            with self._connect() as connection, connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_COUNT, rows)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise


def tidy_tls(now_ms: int, *, connect: Connect) -> int:
    """Forget policies that expired and counts of long ago; how many rows went."""
    oldest = datetime.fromtimestamp(now_ms / 1000, UTC).date().toordinal() - KEPT_DAYS
    with connect() as connection, connection.transaction():
        policies = connection.execute(_OLD_POLICIES, (now_ms,)).rowcount
        return policies + connection.execute(_OLD_COUNTS, (date.fromordinal(oldest),)).rowcount


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
