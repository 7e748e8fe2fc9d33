"""What every cache keeps to; an adapter's tests subclass `CacheContract` and give the fixture `cache`."""

import secrets

import pytest

from infra.caches.cache import Cache


class CacheContract:
    """The port's promises, one test each."""

    @pytest.fixture
    def name(self) -> bytes:
        return secrets.token_hex(8).encode()

    def test_what_was_put_is_got_byte_for_byte(self, cache: Cache, name: bytes) -> None:
        for value in (b"", b"value", bytes(range(256)) * 400):
            cache.put(name, value, for_s=60)
            assert cache.get(name) == value

    def test_nothing_is_got_where_nothing_was_put(self, cache: Cache, name: bytes) -> None:
        cache.put(name, b"value", for_s=60)
        assert cache.get(name + b"x") is None

    def test_the_last_value_put_is_got(self, cache: Cache, name: bytes) -> None:
        cache.put(name, b"first", for_s=60)
        cache.put(name, b"second", for_s=60)
        assert cache.get(name) == b"second"
