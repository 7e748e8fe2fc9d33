"""The parts of the composition root that a Redis holds, as the settings describe it."""

from typing import Protocol

from infra.buckets import MemoryBuckets
from infra.redis_server.buckets import RedisBuckets
from infra.redis_server.cache import RedisCache
from infra.redis_server.known_tokens import RedisTokens
from infra.redis_server.names import Names
from infra.redis_server.server import RedisServer
from infra.settings import Settings

NAMES_PURPOSE = b"ledgermail-redis-names-1"
SESSIONS_PURPOSE = b"ledgermail-redis-sessions-1"


class _Secrets(Protocol):
    def derived(self, purpose: bytes) -> bytes: ...


class RedisParts:
    """All of them share one server and one set of names. One that does not answer is no reason not to start."""

    def __init__(self, settings: Settings, secrets: _Secrets) -> None:
        assert settings.redis is not None  # the settings see to it
        self.server = RedisServer(settings.redis, ca_file=settings.redis_ca)
        self.server.start()
        self._names = Names(secrets.derived(NAMES_PURPOSE))
        self.cache = RedisCache(self.server)
        self.known_tokens = RedisTokens(self.server, self._names, key=secrets.derived(SESSIONS_PURPOSE))
        self.failure_counts = RedisBuckets(self.server, self._names, MemoryBuckets())

    def close(self) -> None:
        """Let go of the server."""
        self.server.close()
