"""Of the service itself: that it lives, what it needs, what it measures, what it offers."""

from collections.abc import Mapping
from typing import Any

from gateways.http import metrics
from gateways.http.docs_page import docs_page
from gateways.http.event_schema import event_schema
from gateways.http.openapi import openapi
from gateways.http.operations import Answer, Call, Operation, Run, as_json
from gateways.http.ports import AsgiApp, Checks, HttpParts
from gateways.http.requests import Receive, Scope, Send
from gateways.http.shapes import Health, Readiness

_HTML = "text/html; charset=utf-8"
_STYLED = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def healthz(_call: Call[None, None]) -> Answer:
    """The process lives."""
    return as_json(Health("ok"))


def readyz(call: Call[None, None]) -> Answer:
    """Whether what it needs answers; what does not is named, needed or not. Only what is needed makes it a 503.

    `draining` where this process soon takes no connection.
    """
    if call.parts.draining.is_set():
        return as_json(Readiness("draining", []), status=503)
    status, readiness = readiness_of(call.parts.checks)
    return as_json(readiness, status=status, headers=() if status == 200 else ((b"retry-after", b"2"),))


def readiness_of(checks: Checks) -> tuple[int, Readiness]:
    """What is answered, and under which status."""
    failing = checks.failing()
    names = [one.name for one in failing]
    if any(one.needed for one in failing):
        return 503, Readiness("not ready", names)
    return 200, Readiness("degraded" if failing else "ready", names)


def operations(measured: metrics.Metrics, parts: HttpParts, contract: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The operations of the service itself, which describe those of the contract."""
    own = (
        _open("/healthz", "The process lives", healthz, {200: Health}),
        _open("/readyz", "What it needs answers", readyz, {200: Readiness, 503: Readiness}),
        _fixed("/v1/events/schema", "JSON Schema of the events of /sync", Answer(event_schema())),
        _open(
            "/metrics",
            "Prometheus metrics",
            lambda _call: Answer(measured.text(), content_type=metrics.CONTENT_TYPE),
            {200: metrics.CONTENT_TYPE},
        ),
    )
    whole = (*contract, *own)
    page = Answer(docs_page(whole), content_type=_HTML, policy=_STYLED)
    return (
        *own,
        _fixed("/openapi.json", "This contract", Answer(openapi(whole))),
        _fixed("/docs", "This contract, to read", page),
        *(_page(path, app) for path, app in parts.pages.items()),
    )


def _open(path: str, summary: str, run: Run, answers: Mapping[int, Any]) -> Operation:
    return Operation(
        method="GET",
        path=path,
        summary=summary,
        run=run,
        answers=answers,
        open_to_strangers=True,
        tag="operations",
    )


def _fixed(path: str, summary: str, answer: Answer) -> Operation:
    return _open(path, summary, lambda _call: answer, {200: answer.content_type})


def _page(path: str, app: AsgiApp) -> Operation:
    async def exchange(scope: Scope, receive: Receive, send: Send, _path: Mapping[str, str]) -> None:
        await app(scope, receive, send)

    return Operation(
        method="GET",
        path=path,
        summary="The page",
        exchange=exchange,
        answers={200: "*/*"},
        open_to_strangers=True,
        tag="operations",
    )
