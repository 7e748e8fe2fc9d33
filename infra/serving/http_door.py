"""The door that people and their clients come in by: HTTP, on an event loop of its own."""

import asyncio
import gc
import threading
from contextlib import ExitStack

import uvloop

from gateways.http.app import HttpApp, create_app
from gateways.proxy.introductions import Introductions
from infra.composition import Parts
from infra.http_parts import http_parts
from infra.http_server import Application, HttpServer
from infra.operator_errors import OperatorError
from infra.serving.listening import wait_until_free
from infra.serving.roles import Ready

DRAIN_S = 5.0


def serve_http(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Serve the contract and the page until `stop`; then answer who waits, and let what is under way finish.

    First `/readyz` says `draining` for as long as the settings ask, while everything is served.
    """
    with ExitStack() as closing:
        app = create_app(http_parts(parts, closing))
        _collect_seldom()
        wait_until_free(parts.settings.http, stop)
        try:
            server = HttpServer(_traced(app, parts), parts.settings.http, Introductions(parts.settings.proxies))
        except OSError as error:
            raise OperatorError(f"cannot listen on {parts.settings.http} for http: {error.strerror}") from error
        host, port = server.address
        ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        uvloop.run(_serve(server, stop, drain_s=parts.settings.drain_seconds))


def _traced(app: HttpApp, parts: Parts) -> Application:
    if parts.tracing is None:
        return app
    from infra.traced_http import TracedApp  # it loads OpenTelemetry: only who asked for it pays

    return TracedApp(app, parts.tracing)


def _collect_seldom() -> None:
    """Thousands of idle clients are hundreds of thousands of objects: looking through them all takes a second."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _serve(server: HttpServer, stop: threading.Event, *, drain_s: int) -> None:
    serving = asyncio.ensure_future(server.run())
    await asyncio.get_running_loop().run_in_executor(None, stop.wait)
    server.drain()
    await asyncio.wait([serving], timeout=drain_s)
    server.stop(within_s=DRAIN_S)
    await serving
