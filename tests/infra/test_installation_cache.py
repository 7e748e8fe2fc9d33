"""What the installation knows for a while: scan results and mail hosts, in memory and in a Redis."""

import secrets
from collections.abc import Iterator

import pytest

from infra.caches.cache import MemoryCache
from infra.caches.installation import InstallationCache
from infra.caches.mail_hosts import LONGEST_S, CachedMailHosts
from infra.caches.names import Names
from infra.caches.scan_results import KEPT_S, CachedScanResults
from infra.redis_server.cache import RedisCache
from tests.contracts.mail_hosts import TWO, MxCacheContract
from tests.contracts.scan_results import CLEAN, ScanResultsContract
from tests.own_redis import fresh_names, shared_redis


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.servers)])
def cache(request: pytest.FixtureRequest) -> Iterator[InstallationCache]:
    names, key = fresh_names(), secrets.token_bytes(32)
    if request.param == "memory":
        yield InstallationCache(MemoryCache(), names, key=key)
        return
    with shared_redis() as server:
        yield InstallationCache(RedisCache(server), names, key=key)


class TestScanResults(ScanResultsContract):
    @pytest.fixture
    def results(self, cache: InstallationCache) -> CachedScanResults:
        return CachedScanResults(cache)


class TestMailHosts(MxCacheContract):
    @pytest.fixture
    def mail_hosts(self, cache: InstallationCache) -> CachedMailHosts:
        return CachedMailHosts(cache)


def test_nothing_is_known_longer_than_it_may_be() -> None:
    kept: list[int] = []

    class Noting(MemoryCache):
        def put(self, name: bytes, value: bytes, *, for_s: int) -> None:
            kept.append(for_s)

    cache = InstallationCache(Noting(), fresh_names(), key=bytes(32))
    CachedScanResults(cache).keep("00", "clamav", CLEAN)
    for ttl_s in (60, 10 * LONGEST_S):
        CachedMailHosts(cache).keep("example.test", TWO, ttl_s=ttl_s)
    assert kept == [KEPT_S, 60, LONGEST_S]


def test_an_entry_that_was_made_elsewhere_or_put_in_anothers_place_is_not_believed() -> None:
    memory, names = MemoryCache(), Names(bytes(32))
    hosts = CachedMailHosts(InstallationCache(memory, names, key=bytes(32)))
    hosts.keep("good.test", TWO, ttl_s=60)
    entry = memory.get(names.of("mx-1", b"good.test")) or b""
    memory.put(names.of("mx-1", b"bad.test"), entry, for_s=60)
    assert (hosts.find("good.test"), hosts.find("bad.test")) == (TWO, None)
    assert CachedMailHosts(InstallationCache(memory, names, key=b"x" * 32)).find("good.test") is None


def test_names_tell_kinds_and_parts_apart() -> None:
    names = Names(bytes(32))
    given = [("mx-1", (b"ab", b"c")), ("mx-1", (b"a", b"bc")), ("mx-1", (b"abc",)), ("scan-1", (b"abc",))]
    assert len({names.of(kind, *parts).rpartition(b":")[2] for kind, parts in given}) == len(given)
