"""A cache of what is the installation's own, no mailbox's: sealed under its key, so that nobody else makes an entry."""

from infra.caches.cache import Cache
from infra.caches.names import Names
from infra.sealing import SealBrokenError, open_sealed, seal


class InstallationCache:
    """`key` is 32 octets, the same in every process."""

    def __init__(self, cache: Cache, names: Names, *, key: bytes) -> None:
        self._cache = cache
        self._names = names
        self._key = key

    def get(self, kind: str, *parts: bytes) -> bytes | None:
        """What was put there last under this name, if it is still there."""
        name = self._names.of(kind, *parts)
        sealed = self._cache.get(name)
        try:
            return None if sealed is None else open_sealed(self._key, sealed, name)
        except SealBrokenError:
            return None

    def put(self, kind: str, *parts: bytes, value: bytes, for_s: int) -> None:
        """Keep the value for so long, or do not."""
        name = self._names.of(kind, *parts)
        self._cache.put(name, seal(self._key, value, name), for_s=for_s)
