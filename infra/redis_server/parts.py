"""The parts of the composition root that a Redis holds, as the settings describe it."""

from collections.abc import Callable
from typing import Protocol

from gateways.smtp.admission import OwnRate
from gateways.smtp.limits import Limits
from infra.accounts.endings import Endings
from infra.buckets import MemoryBuckets
from infra.caches.current import CurrentAnswers
from infra.caches.installation import InstallationCache
from infra.caches.names import Names
from infra.caches.scan_results import CachedScanResults
from infra.caches.sealed import SealedCache
from infra.redis_server.buckets import RedisBuckets
from infra.redis_server.cache import RedisCache
from infra.redis_server.connection_rate import SharedRate
from infra.redis_server.fan_out import RedisListener, RedisTeller
from infra.redis_server.known_tokens import RedisTokens
from infra.redis_server.server import RedisServer
from infra.settings import Settings
from infra.views.database import Database
from infra.wakes import Heads

NAMES_PURPOSE = b"ledgermail-redis-names-1"
VIEWS_PURPOSE = b"ledgermail-redis-views-1"
HEADS = "heads"
HEADS_PURPOSE = b"ledgermail-redis-heads-1"
INSTALLATION_PURPOSE = b"ledgermail-redis-installation-1"
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
        self._heads_key = secrets.derived(HEADS_PURPOSE)
        self._views_secret = secrets.derived(VIEWS_PURPOSE)
        self.cache = RedisCache(self.server)
        self.known_tokens = RedisTokens(self.server, self._names, key=secrets.derived(SESSIONS_PURPOSE))
        installation = InstallationCache(self.cache, self._names, key=secrets.derived(INSTALLATION_PURPOSE))
        self.scan_results = CachedScanResults(installation)
        self.failure_counts = RedisBuckets(self.server, self._names, MemoryBuckets())

    def current_answers(self, database: Database) -> CurrentAnswers:
        """Answers of the views of a database."""
        return CurrentAnswers(SealedCache(self.cache, self._names, secret=self._views_secret), database)

    def connection_rate(self, door: str, limits: Limits) -> SharedRate:
        """How often anybody may connect to the doors of this name, all together."""
        per_s = limits.new_connections_per_s
        return SharedRate(self.server, self._names, door, per_s=per_s, own=OwnRate(per_s))

    @property
    def teller(self) -> RedisTeller:
        """Tells other processes of heads reached."""
        return RedisTeller(self.server, self._names.of(HEADS), key=self._heads_key)

    def listener(
        self, on_heads: Callable[[Heads], None], on_gap: Callable[[], None], *, before: Endings
    ) -> RedisListener:
        """Hears what the tellers tell."""
        return RedisListener(self.server, self._names.of(HEADS), on_heads, on_gap, key=self._heads_key, before=before)

    def close(self) -> None:
        """Let go of the server."""
        self.server.close()
