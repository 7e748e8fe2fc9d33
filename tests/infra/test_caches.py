"""The cache in this process's memory."""

import pytest

from infra.caches.cache import MemoryCache
from tests.contracts.cache import CacheContract


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class TestMemoryCache(CacheContract):
    @pytest.fixture
    def cache(self) -> MemoryCache:
        return MemoryCache()


def test_what_lies_in_memory_is_gone_when_its_time_is_over() -> None:
    clock = Clock()
    cache = MemoryCache(clock_s=clock)
    cache.put(b"a", b"value", for_s=5)
    clock.now_s += 4.9
    assert cache.get(b"a") == b"value"
    clock.now_s += 0.1
    assert cache.get(b"a") is None


def test_memory_holds_no_more_than_it_may_and_the_oldest_go_first() -> None:
    cache = MemoryCache(most_bytes=1000)
    for number in range(100):
        cache.put(b"%03d" % number, bytes(97), for_s=60)
    assert [number for number in range(100) if cache.get(b"%03d" % number) is not None] == list(range(90, 100))
    cache.put(b"huge", bytes(2000), for_s=60)
    assert cache.get(b"huge") is None
    assert cache._bytes == 0
