"""The port `gateways.smtp.greylist.Greylist` on Postgres."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from psycopg_pool import PoolTimeout

from gateways.reception import Verdict
from infra.postgres_queue import Connect

WAIT_MS = 60_000
"""How long who is new must wait: shorter than any mail server's first pause."""
AGAIN_MS = 24 * 3_600_000
"""Within which he must come again."""
KEPT_MS = 36 * AGAIN_MS
"""How long who was let in is known, from the last time on: longer than a monthly letter takes."""
SWEEP_MS = 3_600_000
_JUDGE = """
    INSERT INTO greylist AS g (triplet, first_at) VALUES (%(triplet)s, %(now)s)
    ON CONFLICT (triplet) DO UPDATE SET
        passed_at = CASE WHEN g.passed_at >= %(now)s - %(kept)s AND g.passed_at > 0
            OR g.first_at BETWEEN %(now)s - %(again)s AND %(now)s - %(wait)s THEN %(now)s ELSE 0 END,
        first_at = CASE WHEN g.first_at < %(now)s - %(again)s AND g.passed_at < %(now)s - %(kept)s
            THEN %(now)s ELSE g.first_at END
    RETURNING passed_at > 0
"""
_SWEEP = "DELETE FROM greylist WHERE passed_at < %s AND first_at < %s"
_log = logging.getLogger(__name__)


class PostgresGreylist:
    """Remembers triplets; those that never came again are forgotten after a day."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.Lock()
        self._sweep_at = 0

    def judge(self, triplet: bytes) -> Verdict:
        """Whether it was here before, long enough ago; see `Greylist.judge`."""
        now = self._clock_ms()
        place = {"triplet": triplet, "now": now, "wait": WAIT_MS, "again": AGAIN_MS, "kept": KEPT_MS}
        try:
            with self._connect() as connection:
                ((is_known,),) = connection.execute(_JUDGE, place).fetchall()
                if self._is_sweep_due(now):
                    connection.execute(_SWEEP, (now - KEPT_MS, now - AGAIN_MS))
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("nobody is asked to come again: %s", error)
            return Verdict.ACCEPT
        return Verdict.ACCEPT if is_known else Verdict.LATER

    def _is_sweep_due(self, now: int) -> bool:
        with self._lock:
            if now < self._sweep_at:
                return False
            self._sweep_at = now + SWEEP_MS
        return True
