"""The port of a cache, and the one in this process's memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

MEMORY_BYTES = 16 * 2**20


class Cache(Protocol):
    """Bytes under a name, for a while. Whatever lies there may be gone at any time. Never waits long, never fails."""

    def get(self, name: bytes) -> bytes | None:
        """What was put there last, unless its time is over; None as well where the cache is away."""
        ...

    def put(self, name: bytes, value: bytes, *, for_s: int) -> None:
        """Keep the value, or do not: nobody is told."""
        ...


class _Kept(NamedTuple):
    value: bytes
    until_s: float


class MemoryCache:
    """In this process, at most so many bytes: what was put there first goes first. From any thread."""

    def __init__(self, *, most_bytes: int = MEMORY_BYTES, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, name: bytes) -> bytes | None:
        """What was put there last; see `Cache.get`."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and kept.until_s <= self._clock_s():
                self._drop(name)
                return None
        return None if kept is None else kept.value

    def put(self, name: bytes, value: bytes, *, for_s: int) -> None:
        """Keep the value; see `Cache.put`."""
        with self._lock:
            if name in self._kept:
                self._drop(name)
            self._kept[name] = _Kept(value, self._clock_s() + for_s)
            self._bytes += len(name) + len(value)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, name: bytes) -> None:
        self._bytes -= len(name) + len(self._kept.pop(name).value)
