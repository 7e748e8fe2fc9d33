"""A small door for monitoring beside processes that serve no HTTP: `/healthz`, `/readyz`, `/metrics`, nothing else.

It is for the operator's own network, as `/metrics` of HTTP is.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from gateways.http.installation import readiness_of
from gateways.http.metrics import CONTENT_TYPE, Metrics
from gateways.http.ports import Checks
from gateways.http.shapes import Health
from infra.composition import Parts
from infra.operator_errors import OperatorError
from infra.serving.checks import add_checks, gauges_of
from infra.serving.listening import wait_until_free
from infra.serving.roles import Ready

QUIET_S = 5.0
_JSON = "application/json"


def serve_operations(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Answer whoever watches, until `stop`."""
    address = parts.settings.operations
    assert address is not None  # without it the role is not played
    add_checks(parts)
    metrics = Metrics(gauges_of(parts))
    wait_until_free(address, stop)
    try:
        server = _Server((address.host, address.port), _Answering)
    except OSError as error:
        raise OperatorError(f"cannot listen on {address} for operations: {error.strerror}") from error
    with server:
        server.metrics, server.checks = metrics, parts.checks
        answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="answering")
        answering.start()
        ready(f"{address.host}:{server.server_port}")
        stop.wait()
        server.shutdown()
        answering.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    metrics: Metrics
    checks: Checks


class _Answering(BaseHTTPRequestHandler):
    """One request. `timeout` is how long a client may be silent."""

    timeout = QUIET_S
    server: _Server

    def do_GET(self) -> None:
        """The three addresses."""
        if self.path == "/healthz":
            self._answer(200, msgspec.json.encode(Health("ok")), _JSON)
        elif self.path == "/readyz":
            status, readiness = readiness_of(self.server.checks)
            self._answer(status, msgspec.json.encode(readiness), _JSON)
        elif self.path == "/metrics":
            self._answer(200, self.server.metrics.text(), CONTENT_TYPE)
        else:
            self._answer(404, b'{"status":"unknown"}', _JSON)

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """No version of anything is told."""
        return "ledgermail"

    def log_message(self, *_said: Any) -> None:
        """Who watches is not logged."""
