"""The general limit of requests, per account and per network address, in sliding windows of four seconds."""

import ipaddress
import math
import threading
import time
from collections.abc import Callable

from gateways.http.problems import ProblemError

WINDOW_S = 4


class SlidingWindow:
    """Counts hits by subject: those of the running window, and of those of the one before the share that lies within
    the last four seconds if they came evenly. Nothing is kept longer than that; from any thread.
    """

    def __init__(self, most: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._window = 0
        self._hits: dict[str, int] = {}
        self._hits_before: dict[str, int] = {}

    def hit(self, subject: str) -> float | None:
        """Count one more, null; or, where that is one too many, count nothing: the seconds until the next window."""
        with self._lock:
            window, passed = divmod(self._clock_s() / WINDOW_S, 1)
            self._turn_to(int(window))
            hits = self._hits.get(subject, 0)
            if math.floor(hits + self._hits_before.get(subject, 0) * (1 - passed)) >= self._most:
                return (1 - passed) * WINDOW_S
            self._hits[subject] = hits + 1
            return None

    def _turn_to(self, window: int) -> None:
        if window != self._window:
            self._hits_before = self._hits if window == self._window + 1 else {}
            self._hits, self._window = {}, window


class RateLimits:
    """Counts in this process's memory. `per_account` and `per_address` are a second's; of bursts four times it."""

    def __init__(self, *, per_account: int, per_address: int) -> None:
        self._accounts = SlidingWindow(per_account * WINDOW_S)
        self._addresses = SlidingWindow(per_address * WINDOW_S)

    def count_account(self, account_id: str) -> None:
        """One more request of this account. Raises: ProblemError (429)."""
        _count(self._accounts, account_id)

    def count_address(self, address: str) -> None:
        """One more request from this address (IPv6: its /64). Raises: ProblemError (429)."""
        _count(self._addresses, network_of(address))


def _count(window: SlidingWindow, subject: str) -> None:
    if (pause_s := window.hit(subject)) is not None:
        raise ProblemError("rate_limited", retry_after_s=max(1, math.ceil(pause_s)))


def network_of(address: str) -> str:
    """The address, of IPv6 its /64."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
