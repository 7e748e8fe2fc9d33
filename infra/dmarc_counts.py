"""The counts of DMARC's reports in Postgres: gathered in a process for some seconds, then added to those of all."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Final

import msgspec
import psycopg

from gateways.dmarc_reports.report import Row
from infra.postgres_queue import Connect

EVERY_S: Final = 10.0
MOST_KINDS: Final = 20_000
"""Kinds of messages that a process gathers; what is new beyond them is not counted."""
MOST_ROWS: Final = 10_000
"""Rows of one report, those of the most messages."""
_log = logging.getLogger(__name__)

_ADD = (
    "INSERT INTO dmarc_counts AS c (day, domain, digest, facts, count)"
    " SELECT n.* FROM unnest(%s::date[], %s::text[], %b::bytea[], %s::jsonb[], %s::bigint[])"
    " AS n(day, domain, digest, facts, count)"
    " ORDER BY n.day, n.domain, n.digest ON CONFLICT (day, domain, digest)"
    " DO UPDATE SET count = c.count + excluded.count"
)
_DUE = (
    "SELECT day, domain FROM (SELECT DISTINCT day, domain FROM dmarc_counts WHERE day < %s) AS due"
    " ORDER BY random() LIMIT %s"
)
"""In no order: domains whose DNS does not answer stand in nobody's way."""
_ROWS = (
    "SELECT facts::text, count FROM dmarc_counts WHERE day = %s AND domain = %s ORDER BY count DESC, digest LIMIT %s"
)
_FORGET = "DELETE FROM dmarc_counts WHERE day = %s AND domain = %s"

Key = tuple[date, str, bytes]
"""Day, domain, and the facts in JSON."""


def _now_s() -> float:
    return time.time()


class DmarcCounts:
    """The port `gateways.dmarc_reports.tally.Tally`. A crash forgets what was gathered in the last seconds."""

    def __init__(self, connect: Connect, *, clock_s: Callable[[], float] = _now_s) -> None:
        self._connect = connect
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._gathered: dict[Key, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dmarc counts", daemon=True)

    def start(self) -> None:
        """Add what is gathered every few seconds, until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Add the last of it."""
        self._stop.set()
        self._thread.join()

    def count(self, domain: str, row: Row) -> None:
        """One more message like this; see `Tally.count`."""
        day = datetime.fromtimestamp(self._clock_s(), UTC).date()
        key = (day, domain, msgspec.json.encode(msgspec.structs.replace(row, count=0)))
        with self._lock:
            if key in self._gathered or len(self._gathered) < MOST_KINDS:
                self._gathered[key] = self._gathered.get(key, 0) + 1

    def flush(self) -> None:
        """Add what is gathered to what is counted. Raises: psycopg.Error; then it is still gathered."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
        try:
            self._add(gathered)
        except psycopg.Error:
            with self._lock:
                for key, count in gathered.items():
                    self._gathered[key] = self._gathered.get(key, 0) + count
            raise

    def _add(self, gathered: dict[Key, int]) -> None:
        if not gathered:
            return
        columns = (
            [day for day, _, _ in gathered],
            [domain for _, domain, _ in gathered],
            [hashlib.sha256(facts).digest() for _, _, facts in gathered],
            [facts.decode() for _, _, facts in gathered],
            list(gathered.values()),
        )
        with self._connect() as connection:
            connection.execute(_ADD, columns)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._flush_or_log()
        self._flush_or_log()

    def _flush_or_log(self) -> None:
        try:
            self.flush()
        except psycopg.Error as error:
            _log.warning("DMARC reports: what was counted is not added yet: %s", error)


def counted_before(connect: Connect, day: date, *, limit: int) -> Sequence[tuple[date, str]]:
    """Days and domains that were counted before this day."""
    with connect() as connection:
        return [(found[0], found[1]) for found in connection.execute(_DUE, (day, limit)).fetchall()]


def rows_counted(connect: Connect, day: date, domain: str) -> tuple[Row, ...]:
    """The rows of a report, those of the most messages first."""
    with connect() as connection:
        found = connection.execute(_ROWS, (day, domain, MOST_ROWS)).fetchall()
    return tuple(
        msgspec.structs.replace(msgspec.json.decode(facts, type=Row), count=int(count)) for facts, count in found
    )


def forget_counts(connect: Connect, day: date, domain: str) -> None:
    """What was counted of that day is reported. Safe to repeat."""
    with connect() as connection:
        connection.execute(_FORGET, (day, domain))
