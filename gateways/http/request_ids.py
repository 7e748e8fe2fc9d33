"""Which request is it? The id that its answer, its problem document and every line of the log about it bear.

It is the client's own where that sent one: `X-Request-Id`, else the trace id of `traceparent` (W3C Trace Context,
section 3.2). Else it is a new one, of the same form as a trace id.
"""

import re
import secrets
from contextvars import ContextVar

import msgspec

from gateways.http.operations import Answer
from gateways.http.requests import Scope, header

HEADER = b"x-request-id"
REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The request that is being answered, for the log."""
_KEY = "ledgermail.request"
_GIVEN = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)


def request_id(scope: Scope) -> str:
    """The id of this request; what cannot be one is passed over."""
    known: str | None = scope.get(_KEY)
    if known is None:
        given = header(scope, HEADER)
        known = given if given is not None and _GIVEN.fullmatch(given) else _new_id(scope)
        scope[_KEY] = known
    return known


def parent_of(scope: Scope) -> tuple[str, str] | None:
    """Trace id and span id of `traceparent`, where the request bears one."""
    match = _TRACEPARENT.match(header(scope, b"traceparent") or "")
    return (match[1], match[2]) if match else None


def identified(scope: Scope, answer: Answer) -> Answer:
    """The answer with the request's id."""
    field = (HEADER, request_id(scope).encode())
    return msgspec.structs.replace(answer, headers=(*answer.headers, field))


def _new_id(scope: Scope) -> str:
    parent = parent_of(scope)
    return parent[0] if parent else secrets.token_hex(16)
