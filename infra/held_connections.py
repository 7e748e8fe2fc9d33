"""Requests that outlive their task, on uvicorn: what `gateways.http.held` asks of a server.

A task, its future and a second task that watches for the client's leaving are several KB and dozens of steps of the
event loop for everybody who waits. A request that is held has none of them: the protocol of its connection, which is
there anyhow, tells its holder when the client leaves, and passes the holder's octets on to the transport.
"""

from functools import partial
from weakref import ref

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateways.http.held import EXTENSION, HeldRequest, Holder


class HoldingProtocol(HttpToolsProtocol):
    """One connection. Of its requests one at a time is under way: those pipelined behind a held one wait for it."""

    held: "_Held | None" = None

    def on_headers_complete(self) -> None:
        """Offer the request that has just begun to be held."""
        super().on_headers_complete()
        if self.cycle is not None:  # a WebSocket's opening has none
            # Weakly: the request knows its scope, and a circle a request is what the collector would have to look for.
            self.scope["extensions"] = {EXTENSION: {"hold": partial(self._hold, ref(self.cycle))}}

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

    def _hold(self, request: "ref[RequestResponseCycle]", holder: Holder) -> HeldRequest | None:
        cycle = request()
        if cycle is None or self.transport.is_closing():
            return None
        cycle.disconnected = True  # as far as its task is concerned, which then ends without a word
        self.held = _Held(self, cycle, holder)
        return self.held


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
        if (protocol := self._protocol) is None:
            return
        self.forget()
        protocol.transport.write(octets)
        self._cycle.response_complete = True
        if not self._cycle.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def forget(self) -> None:
        """The request is over."""
        if self._protocol is not None:
            self._protocol.held = None
            self._protocol = None
