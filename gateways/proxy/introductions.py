"""Connections that proxies pass on: each begins with a header, then it is as if its client had come by itself.

Who comes from elsewhere is never believed: such a header is just the first of what he says, to whoever answers him.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import cast

from gateways.proxy.header import (
    FIXED_BYTES,
    HeaderInvalidError,
    Source,
    header_bytes,
    require_begun,
    source_of_header,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Meet = Callable[[Source | None], asyncio.BaseProtocol]
"""Makes the protocol that talks to a client: to the one named, or to whoever is at the other end."""
HEADER_TIMEOUT_S = 5.0
MAX_WAITING = 1000
_log = logging.getLogger(__name__)


class Introductions:
    """Those of one server: `proxies` are the addresses whose headers are believed, and from which one is required."""

    def __init__(self, proxies: Sequence[Network] = (), *, timeout_s: float = HEADER_TIMEOUT_S) -> None:
        self._proxies = tuple(proxies)
        self.timeout_s = timeout_s
        self.waiting: set[_Introduction] = set()
        """Whose header is not whole yet."""

    def protocol(self, meet: Meet) -> asyncio.BaseProtocol:
        """The protocol of a connection that has just come."""
        return _Introduction(self, meet) if self._proxies else meet(None)

    def close(self) -> None:
        """End all who have not been introduced."""
        for one in tuple(self.waiting):
            one.abort()

    def trust(self, address: str) -> bool:
        """Whether a proxy speaks at this address."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._proxies)


class _Introduction(asyncio.BufferedProtocol):
    """Reads not an octet beyond the header: what follows is the client's, for its own protocol."""

    def __init__(self, introductions: Introductions, meet: Meet) -> None:
        self._introductions = introductions
        self._meet = meet
        self._header = bytearray(FIXED_BYTES)
        self._come = 0
        self._is_sized = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a proxy; anyone else is met at once."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not (isinstance(peer, tuple) and self._introductions.trust(peer[0])):
            self._hand_over()
        elif len(self._introductions.waiting) >= MAX_WAITING:
            self._transport.abort()
        else:
            self._introductions.waiting.add(self)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._introductions.timeout_s, self._refuse, "no header came in time")

    def get_buffer(self, sizehint: int) -> memoryview:
        """What is missing of the header, so far as its length is known."""
        return memoryview(self._header)[self._come :]

    def buffer_updated(self, nbytes: int) -> None:
        """More of the header."""
        self._come += nbytes
        try:
            require_begun(bytes(self._header[: self._come]))
            if self._come < len(self._header):
                return
            if not self._is_sized:
                self._is_sized = True
                self._header = self._header + bytes(header_bytes(bytes(self._header)) - FIXED_BYTES)
            if self._come == len(self._header):
                self._introduced(source_of_header(bytes(self._header)))
        except HeaderInvalidError as error:
            self._refuse(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended before it was introduced."""
        self._end()

    def abort(self) -> None:
        """End now."""
        self._end()
        self._transport.abort()

    def _refuse(self, reason: str) -> None:
        _log.warning("a proxy's connection is closed: %s", reason)
        self.abort()

    def _introduced(self, source: Source | None) -> None:
        self._end()
        self._transport.pause_reading()  # what fills a buffer and what is handed octets are read for differently
        protocol = self._meet(source)
        self._transport.set_protocol(protocol)
        self._transport.resume_reading()
        protocol.connection_made(self._transport)

    def _hand_over(self) -> None:
        protocol = self._meet(None)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)

    def _end(self) -> None:
        self._introductions.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
