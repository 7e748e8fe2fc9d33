"""Who may connect, and how often: counted by address, an IPv6 one with its /64."""

import ipaddress
from typing import Protocol

from gateways.smtp.records import Records


class ConnectionRate(Protocol):
    """Bounds how often a source connects. Called on the event loop: never waits."""

    def admits(self, source: str, *, now_s: float) -> bool:
        """Whether the source may connect once more now; that counts."""
        ...


class OwnRate:
    """So many a second, as this process counts them. Its memory is bounded by the connections tried in one second."""

    def __init__(self, new_connections_per_s: int) -> None:
        self._new_connections_per_s = new_connections_per_s
        self._second = 0
        self._tried: dict[str, int] = {}

    def admits(self, source: str, *, now_s: float) -> bool:
        """Whether fewer were tried in this second; see `ConnectionRate.admits`."""
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._tried.clear()
        self._tried[source] = self._tried.get(source, 0) + 1
        return self._tried[source] <= self._new_connections_per_s


BAD_PART = 20
"""A source with a bad record gets one in so many of the connections that others get."""


class Admission:
    """Counts connections that are open, and has new ones counted by `rate`; a source with a bad record gets fewer."""

    def __init__(
        self,
        *,
        connections: int,
        connections_per_address: int,
        rate: ConnectionRate,
        records: Records | None = None,
    ) -> None:
        self._connections = connections
        self._connections_per_address = connections_per_address
        self._rate = rate
        self._records = records or Records()
        self._open: dict[str, int] = {}
        self._total = 0

    def admits(self, source: str, *, now_s: float) -> bool:
        """Whether one more connection is let in; if so it counts until `release`."""
        if not self._rate.admits(source, now_s=now_s):
            return False
        per_address = self._connections_per_address
        if self._records.is_bad(source, now_s=now_s):
            per_address = max(per_address // BAD_PART, 1)
        if self._total >= self._connections or self._open.get(source, 0) >= per_address:
            return False
        self._total += 1
        self._open[source] = self._open.get(source, 0) + 1
        return True

    def release(self, source: str) -> None:
        """A connection that was admitted has ended."""
        self._total -= 1
        self._open[source] -= 1
        if self._open[source] == 0:
            del self._open[source]


def source_of(address: str) -> str:
    """What connections from `address` are counted under; the address itself where it is no IP address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)
