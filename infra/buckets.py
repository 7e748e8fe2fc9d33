"""Leaky buckets: so many at once, and one forgotten every so often. The port of those who count, and two of them.

A window that slides without a step: what a bucket may still take depends on what was added lately and when, not on
where a window begins.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

SWEPT_ABOVE = 10_000
"""Buckets in memory; from twice as many on the fullest alone are kept."""


class Bucket(msgspec.Struct, frozen=True):
    """So many failures at once, and one forgotten every `interval_ms`."""

    failures: int
    interval_ms: int

    @property
    def full_ms(self) -> int:
        """When a full one is empty again."""
        return self.failures * self.interval_ms


class Charge(NamedTuple):
    """One more for a subject, whose text names nobody."""

    subject: str
    bucket: Bucket


class Buckets(Protocol):
    """Counts by subject; from many threads at once."""

    def add(self, charges: Sequence[Charge]) -> int:
        """One more in each, 0; or, where one of them has no room, none in any: the milliseconds until all have room."""
        ...

    def take_back(self, charges: Sequence[Charge], *, emptied: str | None = None) -> None:
        """One fewer in each, and none at all in the bucket of the subject `emptied`."""
        ...


class MemoryBuckets:
    """In this process's memory, which is bounded."""

    def __init__(self, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._clock_ms = clock_ms or (lambda: time.monotonic_ns() // 1_000_000)
        self._lock = threading.Lock()
        self._empty_at: dict[str, int] = {}

    def add(self, charges: Sequence[Charge]) -> int:
        """One more in each, or none; see `Buckets.add`."""
        with self._lock:
            now = self._clock_ms()
            after = [
                (subject, max(self._empty_at.get(subject, 0), now) + bucket.interval_ms, now + bucket.full_ms)
                for subject, bucket in charges
            ]
            if (wait_ms := max(empty_at - most for _, empty_at, most in after)) > 0:
                return wait_ms
            self._empty_at.update((subject, empty_at) for subject, empty_at, _ in after)
            if len(self._empty_at) > 2 * SWEPT_ABOVE:
                self._sweep(now)
            return 0

    def take_back(self, charges: Sequence[Charge], *, emptied: str | None = None) -> None:
        """One fewer in each; see `Buckets.take_back`."""
        with self._lock:
            for subject, bucket in charges:
                if subject in self._empty_at:
                    self._empty_at[subject] -= bucket.interval_ms
            self._empty_at.pop(emptied or "", None)

    def _sweep(self, now: int) -> None:
        standing = [(empty_at, subject) for subject, empty_at in self._empty_at.items() if empty_at > now]
        self._empty_at = {subject: empty_at for empty_at, subject in sorted(standing)[-SWEPT_ABOVE:]}
