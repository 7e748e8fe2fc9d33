"""What a scanner said of some content, in Postgres: the port of `infra.caches.scan_results`."""

import time
from collections.abc import Callable

import psycopg

from infra.caches.scan_results import KEPT_S, ScanResult
from infra.postgres_queue import Connect

_FIND = "SELECT verdict, scanned_at, threat FROM scan_results WHERE sha256 = %s AND scanner = %s AND scanned_at > %s"
_KEEP = (
    "INSERT INTO scan_results (sha256, scanner, verdict, threat, scanned_at) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (sha256, scanner) DO UPDATE"
    " SET verdict = excluded.verdict, threat = excluded.threat, scanned_at = excluded.scanned_at"
)
_OLD = "DELETE FROM scan_results WHERE scanned_at <= %s"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class PostgresScanResults:
    """Where the database does not answer nothing is known, and nothing is kept."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._connect = connect
        self._clock_ms = clock_ms

    def find(self, sha256: str, scanner: str) -> ScanResult | None:
        """What was said; see `ScanResults.find`."""
        try:
            with self._connect() as connection:
                found = connection.execute(_FIND, (sha256, scanner, self._clock_ms() - KEPT_S * 1000)).fetchone()
        except psycopg.Error:
            return None
        return None if found is None else ScanResult(*found)

    def keep(self, sha256: str, scanner: str, result: ScanResult) -> None:
        """Know it; see `ScanResults.keep`."""
        row = (sha256, scanner, result.verdict, result.threat, result.scanned_at)
        try:
            with self._connect() as connection:
                connection.execute(_KEEP, row)
        except psycopg.Error:
            return


def forget_old_results(now_ms: int, *, connect: Connect) -> int:
    """What was said a week ago goes. Never more to do at once."""
    with connect() as connection:
        connection.execute(_OLD, (now_ms - KEPT_S * 1000,))
    return 0
