"""The port `infra.buckets.Buckets` in a Redis, by one script, and beside it this process's own count.

The script adds to all buckets or to none, by the server's clock. While the server is away, or full, the process goes by
what it counted itself, which it does all the time: an outage gives nobody a fresh bucket.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from infra.buckets import Buckets, Charge
from infra.caches.names import Names
from infra.redis_server.connection import Word
from infra.redis_server.server import RedisAwayError, RedisServer

SCRIPT = Path(__file__).with_name("buckets.lua").read_text()
_EMPTIED = 1_000_000_000
"""More than any bucket holds, in milliseconds."""


class RedisBuckets:
    """All processes count together. `clock_ms` replaces the server's own clock."""

    def __init__(
        self, server: RedisServer, names: Names, own: Buckets, *, clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._server = server
        self._names = names
        self._own = own
        self._clock_ms = clock_ms or (lambda: 0)

    def add(self, charges: Sequence[Charge]) -> int:
        """One more in each, or none; see `Buckets.add`."""
        try:
            wait_ms = self._run([(subject, bucket.failures, bucket.interval_ms, 1) for subject, bucket in charges])
        except RedisAwayError:
            return self._own.add(charges)
        if wait_ms == 0:
            self._own.add(charges)
        return wait_ms

    def take_back(self, charges: Sequence[Charge], *, emptied: str | None = None) -> None:
        """One fewer in each; see `Buckets.take_back`. Where it is away they leak, as they do anyhow."""
        self._own.take_back(charges, emptied=emptied)
        fewer = [(subject, bucket.failures, bucket.interval_ms, -1) for subject, bucket in charges]
        if emptied is not None:
            fewer.append((emptied, 1, _EMPTIED, -1))
        try:
            self._run(fewer)
        except RedisAwayError:
            return

    def _run(self, changes: Sequence[tuple[str, int, int, int]]) -> int:
        names = [self._names.of("bucket", subject.encode()) for subject, *_ in changes]
        values: list[Word] = [number for _, *numbers in changes for number in numbers]
        found: list[int] = self._server.ask("EVAL", SCRIPT, len(names), *names, self._clock_ms(), *values)
        return found[0]
