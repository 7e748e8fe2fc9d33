"""When a deferred mail is tried again, and when it is given up (RFC 5321 section 4.5.4.1)."""

import random
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Times in milliseconds. `chance` gives numbers from 0 to 1."""

    first_ms: int = MINUTE_MS
    longest_ms: int = 4 * HOUR_MS
    give_up_ms: int = 96 * HOUR_MS
    tell_ms: int = 4 * HOUR_MS
    """After so long the sender is told that it takes long."""
    jitter: float = 0.2
    chance: Callable[[], float] = random.random

    def next_at(self, *, attempt: int, queued_at: int, now_ms: int) -> int | None:
        """When to try after this attempt (from 1) has failed; None where it has lasted long enough.

        A pause is up to a fifth shorter or longer than its like, so that what failed together does not come together.
        """
        if now_ms - queued_at >= self.give_up_ms:
            return None
        pause_ms = min(self.longest_ms, self.first_ms * 2 ** min(attempt - 1, 20))
        spread = 1 + self.jitter * (2 * self.chance() - 1)
        return min(now_ms + int(pause_ms * spread), max(now_ms + self.first_ms, queued_at + self.give_up_ms))
