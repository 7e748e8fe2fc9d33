"""The general limit of requests, per account and per network address, in sliding windows of four seconds."""

import ipaddress
import math
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from gateways.http.problems import ProblemError

WINDOW_S = 4


class RateLimits:
    """Counts in this process's memory. `per_account` and `per_address` are a second's; of bursts four times it."""

    def __init__(self, *, per_account: int, per_address: int) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._account = RateLimitItemPerSecond(per_account * WINDOW_S, WINDOW_S, namespace="account")
        self._address = RateLimitItemPerSecond(per_address * WINDOW_S, WINDOW_S, namespace="address")

    def count_account(self, account_id: str) -> None:
        """One more request of this account. Raises: ProblemError (429)."""
        self._count(self._account, account_id)

    def count_address(self, address: str) -> None:
        """One more request from this address (IPv6: its /64). Raises: ProblemError (429)."""
        self._count(self._address, network_of(address))

    def _count(self, item: RateLimitItemPerSecond, subject: str) -> None:
        if self._counter.hit(item, subject):
            return
        reset = self._counter.get_window_stats(item, subject).reset_time
        raise ProblemError("rate_limited", retry_after_s=max(1, math.ceil(reset - time.time())))


def network_of(address: str) -> str:
    """The address, of IPv6 its /64."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
