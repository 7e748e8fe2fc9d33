"""The HTTP server: the application on uvicorn, started, drained and stopped from the outside."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import uvicorn

from gateways.http.ports import HttpParts
from gateways.http.requests import Receive, Scope, Send
from gateways.proxy.introductions import Introductions
from infra.held_connections import HoldingProtocol
from infra.refusing_websockets import RefusingProtocol
from infra.settings_readers import ListenAddress

KEEPALIVE_S = 75
BACKLOG = 2048
WEBSOCKET_BYTES = 4096
"""What a client may send over WebSocket: nothing but closing is expected."""


class Application(Protocol):
    """An ASGI application whose waiting clients are let go before the server stops."""

    @property
    def parts(self) -> HttpParts:
        """What it calls."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the server's own start and stop."""


class HttpServer:
    """One application on one listening socket."""

    def __init__(self, app: Application, address: ListenAddress, introductions: Introductions | None = None) -> None:
        self._app = app
        self._introductions = introductions or Introductions()
        self._socket = listening_socket(address)
        config = uvicorn.Config(
            app,
            http=cast(Any, self._protocol),
            ws=RefusingProtocol,
            loop="uvloop",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEPALIVE_S,
            backlog=BACKLOG,
            ws_max_size=WEBSOCKET_BYTES,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=16 * 1024,
        )
        self._server = _Server(config)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, where it really listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """What to type into a browser."""
        host, port = self.address
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def _protocol(self, **options: Any) -> asyncio.BaseProtocol:
        return self._introductions.protocol(lambda source: HoldingProtocol(came_from=source, **options))

    async def run(self) -> None:
        """Serve until `stop`; then whoever waits is answered, and what is under way is finished."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._introductions.close()

    def drain(self) -> None:
        """Say in `/readyz` that `stop` comes soon, so that a proxy sends its clients elsewhere."""
        self._app.parts.draining.set()

    def stop(self, *, within_s: float) -> None:
        """Take no new connection and drain; after so many seconds what is still under way is cut off."""
        self._app.parts.waiters.close()
        self._server.config.timeout_graceful_shutdown = max(1, int(within_s))
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Signals are the program's, not the server's."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """None are captured."""
        yield


def listening_socket(address: ListenAddress) -> socket.socket:
    """A socket that listens on the address: whoever connects before the server runs waits for it.

    Raises: OSError
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address.host, address.port))
    except OSError:
        found.close()
        raise
    found.listen(BACKLOG)
    found.setblocking(False)
    return found
