"""The HTTP application, each of whose requests is a span of a trace. Who waits for news is traced until it waits."""

from collections.abc import MutableMapping
from typing import Any

from opentelemetry.trace import Span, Status, StatusCode

from gateways.http.app import HttpApp
from gateways.http.held import EXTENSION, Answerable, HeldRequest, Holder
from gateways.http.ports import HttpParts
from gateways.http.request_ids import parent_of, request_id
from gateways.http.requests import Message, Receive, Scope, Send
from infra.tracing import Tracing


class TracedApp:
    """The application, traced; see `HttpApp`."""

    def __init__(self, app: HttpApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    @property
    def parts(self) -> HttpParts:
        """Those of the application."""
        return self._app.parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the server's own start and stop."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"{scope['method']} {self._app.route(scope)}"
        span = self._tracing.request(name, request_id(scope), parent_of(scope))
        extensions: MutableMapping[str, Any] = scope["extensions"]
        offered: Answerable = extensions[EXTENSION]["request"]
        noting = _Noting(span, offered)
        traced = {**scope, "extensions": {**extensions, EXTENSION: {"request": noting}}}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note(span, message["status"])
            await send(message)

        try:
            await self._app(traced, receive, sending)
        finally:
            span.end()


class _Noting:
    """A request that may be answered in one write, whose status is noted."""

    def __init__(self, span: Span, request: Answerable) -> None:
        self._span = span
        self._request = request

    def hold(self, holder: Holder) -> HeldRequest | None:
        """See `Answerable.hold`."""
        self._span.set_attribute("ledgermail.waits", value=True)
        return self._request.hold(holder)

    def answer(self, octets: bytes) -> bool:
        """See `Answerable.answer`."""
        answered = self._request.answer(octets)
        if answered:
            _note(self._span, int(octets[9:12]))
        return answered


def _note(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
