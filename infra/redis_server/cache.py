"""The port `infra.caches.cache.Cache` in a Redis."""

import contextlib

from infra.redis_server.server import RedisAwayError, RedisServer

LARGEST_BYTES = 2**20


class RedisCache:
    """Where the server is away, or full, there is nothing and nothing is kept."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def get(self, name: bytes) -> bytes | None:
        """What was put there last; see `Cache.get`."""
        try:
            found: bytes | None = self._server.ask("GET", name)
        except RedisAwayError:
            return None
        return found

    def put(self, name: bytes, value: bytes, *, for_s: int) -> None:
        """Keep the value where it is not too large; see `Cache.put`."""
        if len(value) <= LARGEST_BYTES:
            with contextlib.suppress(RedisAwayError):
                self._server.ask("SET", name, value, "EX", for_s)
