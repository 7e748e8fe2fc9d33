"""Traces for a collector of OpenTelemetry (OTLP over HTTP), on demand: nothing of it is loaded otherwise.

The trace of a message follows from its acceptance id, in every process alike: so its stages meet in one trace though
no process hands a context to another, and whatever is repeated after a crash is in it, too. A request's trace is its
client's (`traceparent`), else its own. What `OTEL_…` variables say of sampling, headers and names is heeded.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, set_span_in_context

from infra.trail.stages import listen

EXPORT_S = 2
"""How long a collector may take for a batch, and how long the end of a process waits for the last one."""
_BEGINNINGS = frozenset({"accepted", "queued"})
_PURPOSE = b"ledgermail-trace-1\0"
_given_ids: ContextVar[tuple[int, int] | None] = ContextVar("given_ids", default=None)


class Tracing:
    """Sends spans of this process to the collector at `url`, in the background: who is traced waits for nothing."""

    def __init__(self, url: str, *, process: str) -> None:
        resource = Resource.create({"service.name": "ledgermail", "service.instance.id": process})
        self._provider = TracerProvider(resource=resource, id_generator=_GivenIds(), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=EXPORT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("ledgermail")
        listen(self._stage)

    def _stage(self, name: str, mail: str, began: float, ended: float, named: dict[str, Any]) -> None:
        attributes = {f"ledgermail.{key}": value for key, value in {"mail": mail, **named}.items()}
        trace_id, root_id = ids_of(mail)
        with _beginning(trace_id, root_id) if name in _BEGINNINGS else _following(trace_id, root_id) as context:
            span = self._tracer.start_span(name, context, SpanKind.CONSUMER, attributes, start_time=_ns(began))
        span.end(_ns(ended))

    def request(self, name: str, request: str, parent: tuple[str, str] | None) -> Span:
        """A span of a request, begun; its `parent` is a trace id and a span id of its client, in hex."""
        attributes = {"ledgermail.request": request}
        following = _following(int(parent[0], 16), int(parent[1], 16)) if parent else None
        with following or _beginning(*ids_of(request)) as context:
            return self._tracer.start_span(name, context, SpanKind.SERVER, attributes)

    def close(self) -> None:
        """Send what is left, as far as the collector takes it soon."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(EXPORT_S + 1)


def ids_of(name: str) -> tuple[int, int]:
    """Trace id and first span id of what bears this id; one that has the form of a trace id is its own."""
    digest = hashlib.sha256(_PURPOSE + name.encode()).digest()
    is_trace_id = len(name) == 32 and all(letter in "0123456789abcdef" for letter in name) and name.strip("0")
    return int(name, 16) if is_trace_id else int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


class _GivenIds(RandomIdGenerator):
    """The ids that stand around the making of a span, else new ones."""

    def generate_trace_id(self) -> int:
        """16 octets."""
        given = _given_ids.get()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """8 octets."""
        given = _given_ids.get()
        return given[1] if given else super().generate_span_id()


@contextmanager
def _beginning(trace_id: int, span_id: int) -> Iterator[Context]:
    """A span made here is the first of this trace."""
    token = _given_ids.set((trace_id, span_id))
    try:
        yield Context()
    finally:
        _given_ids.reset(token)


@contextmanager
def _following(trace_id: int, span_id: int) -> Iterator[Context]:
    """A span made here follows that one."""
    before = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    yield set_span_in_context(NonRecordingSpan(before), Context())


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
