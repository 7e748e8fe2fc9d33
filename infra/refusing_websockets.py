"""WebSockets that are refused before they open, on uvicorn.

A refusal is an HTTP response (the ASGI extension `websocket.http.response`). uvicorn sends it, but still takes the
handshake for one that nobody completed, and logs an error: anybody without a token could fill the log.
"""

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class RefusingProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, for which a refusal completes the handshake."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send, as the application says."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
