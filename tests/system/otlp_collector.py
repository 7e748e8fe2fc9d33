"""A collector of traces: it takes OTLP over HTTP and keeps every span."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`spans` is what came in: name, ids in hex, attributes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[dict[str, Any]] = []

    def named(self, name: str) -> list[dict[str, Any]]:
        """The spans of this name."""
        return [span for span in self.spans if span["name"] == name]

    def take(self, octets: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(octets)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_plain(span) for span in scope.spans]


def _plain(span: Any) -> dict[str, Any]:
    attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    took_ns = span.end_time_unix_nano - span.start_time_unix_nano
    ids = {name: getattr(span, f"{name}_id").hex() for name in ("trace", "span", "parent_span")}
    return {"name": span.name, "took_ns": took_ns, "attributes": attributes, **ids}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of loopback."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(octets) if self.headers.get("Content-Encoding") == "gzip" else octets)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        running = threading.Thread(target=server.serve_forever)
        running.start()
        try:
            yield collector
        finally:
            server.shutdown()
            running.join()
