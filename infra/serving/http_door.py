"""The HTTP role: page, API and sync on one event loop."""

import asyncio
import threading
from contextlib import ExitStack

import uvloop

from gateways.http.app import create_app
from infra.composition import Parts
from infra.http_parts import http_parts
from infra.http_server import HttpServer
from infra.operator_errors import OperatorError
from infra.serving.roles import Ready

DRAIN_S = 5.0


def serve_http(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Serve until `stop`; then answer whoever waits and finish what is under way."""
    with ExitStack() as closing:
        app = create_app(http_parts(parts, closing))
        try:
            server = HttpServer(app, parts.settings.http)
        except OSError as error:
            raise OperatorError(f"cannot listen on {parts.settings.http} for HTTP: {error.strerror}") from error
        uvloop.run(_serve(server, stop, ready))


async def _serve(server: HttpServer, stop: threading.Event, ready: Ready) -> None:
    serving = asyncio.create_task(server.run())
    host, port = server.address
    ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    stopping = asyncio.create_task(asyncio.to_thread(stop.wait))
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.stop(within_s=DRAIN_S)
    stop.set()
    await serving
