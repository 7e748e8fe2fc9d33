"""WebSockets that are refused before they open, on uvicorn.

A refusal is an HTTP response (the ASGI extension `websocket.http.response`). uvicorn sends it, but still takes the
handshake for one that nobody completed, and logs an error: anybody without a token could fill the log.
"""

from asyncio import BaseTransport
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateways.proxy.header import Source


class RefusingProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, for which a refusal completes the handshake."""

    def __init__(self, *args: Any, came_from: Source | None = None, **options: Any) -> None:
        """`came_from` is where the client is, if a proxy has told it; the rest is uvicorn's."""
        super().__init__(*args, **options)
        self._came_from = came_from

    def connection_made(self, transport: BaseTransport) -> None:
        """The client is who the proxy says."""
        super().connection_made(transport)
        if self._came_from is not None:
            self.client = (self._came_from.address, self._came_from.port)

    async def send(self, message: ASGISendEvent) -> None:
        """Send, as the application says."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
