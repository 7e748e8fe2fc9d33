"""Requests that outlive their task, on uvicorn: what `gateways.http.held` asks of a server.

A task, its future and a second task that watches for the client's leaving are several KB and dozens of steps of the
event loop for everybody who waits. A request that is held has none of them: the protocol of its connection, which is
there anyhow, tells its holder when the client leaves, and passes the holder's octets on to the transport.
"""

import asyncio
from functools import partial
from typing import Any, cast
from weakref import ref

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateways.http.held import EXTENSION, HeldRequest, Holder
from gateways.proxy.header import Source
from infra.refusing_websockets import RefusingProtocol


class HoldingProtocol(HttpToolsProtocol):
    """One connection. Of its requests one at a time is under way: those pipelined behind a held one wait for it."""

    held: "_Held | None" = None

    def __init__(self, *args: Any, came_from: Source | None = None, **options: Any) -> None:
        """`came_from` is where the client is, if a proxy has told it; the rest is uvicorn's."""
        super().__init__(*args, **options)
        self._came_from = came_from

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The client is who the proxy says, of a WebSocket, too."""
        super().connection_made(transport)
        if self._came_from is not None:
            self.client = (self._came_from.address, self._came_from.port)
            self.ws_protocol_class = cast(Any, partial(RefusingProtocol, came_from=self._came_from))

    def on_headers_complete(self) -> None:
        """Offer the request that has just begun."""
        super().on_headers_complete()
        if self.cycle is not None:  # a WebSocket's opening has none
            self.scope["extensions"] = {EXTENSION: {"request": _Request(self, self.cycle)}}

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: its holder is told."""
        super().connection_lost(exc)
        self.scope.pop("extensions", None)  # a circle that nobody would need to look for
        if (held := self.held) is not None:
            held.forget()
            held.holder.lost()

    def resume_writing(self) -> None:
        """The client has taken what was written: its holder is told."""
        super().resume_writing()
        if self.held is not None:
            self.held.holder.writable()

    def end(self, cycle: RequestResponseCycle, octets: bytes) -> None:
        """Send the last of an answer; then the next request has its turn, or the connection ends."""
        self.transport.write(octets)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


class _Request:
    """A request that is offered (`Answerable`)."""

    __slots__ = ("_cycle", "_protocol")

    def __init__(self, protocol: HoldingProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = ref(cycle)  # it knows its scope, which knows this: a circle that the collector would look for

    def hold(self, holder: Holder) -> HeldRequest | None:
        if (cycle := self._taken()) is None:
            return None
        self._protocol.held = held = _Held(self._protocol, cycle, holder)
        return held

    def answer(self, octets: bytes) -> bool:
        if self._protocol.flow.write_paused:
            return False
        if (cycle := self._taken()) is not None:
            self._protocol.end(cycle, octets)
        return True

    def _taken(self) -> RequestResponseCycle | None:
        """The request, of which its task has no more to say; None where the client has gone."""
        cycle = self._cycle()
        if cycle is None or cycle.disconnected or self._protocol.transport.is_closing():
            return None
        cycle.disconnected = True
        return cycle


class _Held:
    """A request that is held (`HeldRequest`); once it is over nothing is written any more."""

    __slots__ = ("_cycle", "_protocol", "holder")

    def __init__(self, protocol: HoldingProtocol, cycle: RequestResponseCycle, holder: Holder) -> None:
        self._protocol: HoldingProtocol | None = protocol
        self._cycle = cycle
        self.holder = holder

    @property
    def is_slow(self) -> bool:
        return self._protocol is None or self._protocol.flow.write_paused

    def write(self, octets: bytes) -> None:
        if self._protocol is not None:
            self._protocol.transport.write(octets)

    def finish(self, octets: bytes) -> None:
        if (protocol := self._protocol) is not None:
            self.forget()
            protocol.end(self._cycle, octets)

    def forget(self) -> None:
        """The request is over."""
        if self._protocol is not None:
            self._protocol.held = None
            self._protocol = None
