"""How often a source connects to all processes together: decided here at once, counted together soon after.

The event loop that admits connections never asks a server. What it admitted is added to the sources' buckets in the
Redis a moment later, by the script that counts failures to sign in; what the buckets hold then, of all processes, is
what it decides by from then on. While the Redis is away this process goes by its own count.
"""

import threading
from collections.abc import Callable
from itertools import islice

from gateways.smtp.admission import ConnectionRate
from infra.caches.names import Names
from infra.redis_server.buckets import SCRIPT
from infra.redis_server.connection import Word
from infra.redis_server.server import RedisAwayError, RedisServer

GATHER_S = 0.05
AT_ONCE = 500
MOST_S = 10
"""What was admitted is counted; above what these seconds admit it runs over."""


class SharedRate:
    """The port `gateways.smtp.admission.ConnectionRate`: `per_s` at once, and as many in each second. `close` it.

    `clock_ms` replaces the server's own clock.
    """

    def __init__(
        self,
        server: RedisServer,
        names: Names,
        door: str,
        *,
        per_s: int,
        own: ConnectionRate,
        gather_s: float = GATHER_S,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._server = server
        self._names = names
        self._door = door.encode()
        self._per_s = per_s
        self._interval_s = 1 / per_s
        self._own = own
        self._gather_s = gather_s
        self._clock_ms = clock_ms or (lambda: 0)
        self._lock = threading.Lock()
        self._sharing = threading.Lock()
        self._now_s = 0.0
        self._empty_at_s: dict[str, float] = {}
        self._new: dict[str, int] = {}
        self._has_new = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{door} rate", daemon=True)
        self._thread.start()

    def admits(self, source: str, *, now_s: float) -> bool:
        """Whether there is room here and, as far as is known, together; see `ConnectionRate.admits`."""
        if not self._own.admits(source, now_s=now_s):
            return False
        with self._lock:
            self._now_s = now_s
            empty_at_s = max(self._empty_at_s.get(source, 0.0), now_s) + self._interval_s
            if empty_at_s > now_s + 1 + self._interval_s / 2:
                return False
            self._empty_at_s[source] = empty_at_s
            self._new[source] = self._new.get(source, 0) + 1
        self._has_new.set()
        return True

    def share(self) -> None:
        """Add what was admitted since, and learn what all have admitted."""
        with self._sharing:
            counted = iter(self._taken())
            while some := list(islice(counted, AT_ONCE)):
                try:
                    self._learn(some, self._added(some))
                except RedisAwayError:
                    return

    def close(self) -> None:
        """Count no more."""
        self._stop.set()
        self._has_new.set()
        self._thread.join(timeout=5)

    def _taken(self) -> list[tuple[str, int]]:
        """How often each source was admitted since; buckets that are empty again are forgotten."""
        with self._lock:
            self._has_new.clear()
            new, self._new = self._new, {}
            now_s = self._now_s
            self._empty_at_s = {one: empty_at for one, empty_at in self._empty_at_s.items() if empty_at > now_s}
        return list(new.items())

    def _learn(self, some: list[tuple[str, int]], levels_ms: list[int]) -> None:
        with self._lock:
            for (source, _), level_ms in zip(some, levels_ms, strict=True):
                unshared_s = self._new.get(source, 0) * self._interval_s
                together = self._now_s + level_ms / 1000 + unshared_s
                self._empty_at_s[source] = max(self._empty_at_s.get(source, 0.0), together)

    def _added(self, some: list[tuple[str, int]]) -> list[int]:
        names = [self._names.of("connections", self._door, source.encode()) for source, _ in some]
        interval_ms = f"{self._interval_s * 1000:.6f}"
        values: list[Word] = [word for _, count in some for word in (-MOST_S * self._per_s, interval_ms, count)]
        answer: list[int] = self._server.ask("EVAL", SCRIPT, len(names), *names, self._clock_ms(), *values)
        return answer[1:]

    def _run(self) -> None:
        while not self._stop.is_set():
            self._has_new.wait()
            self.share()
            self._stop.wait(self._gather_s)
