"""Sending an answer: the headers that every one has, gzip where it is asked for, large bodies in pieces."""

import asyncio
import gzip

from gateways.http.operations import JSON, Answer
from gateways.http.problems import MEDIA_TYPE, ProblemError
from gateways.http.requests import Scope, Send, header

MIN_GZIP_BYTES = 1024
PIECE_BYTES = 256 * 1024
PIECE_TIMEOUT_S = 60.0
_GZIP_LEVEL = 3
_COMPRESSED = (
    JSON,
    MEDIA_TYPE,
    "text/html; charset=utf-8",
    "text/javascript; charset=utf-8",
    "text/css; charset=utf-8",
)

COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
POLICY = b"default-src 'none'; frame-ancestors 'none'"


def wants_gzip(scope: Scope) -> bool:
    """Whether the client takes gzip (RFC 9110 section 12.5.3)."""
    for coding in (header(scope, b"accept-encoding") or "").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compressed(answer: Answer) -> bytes | None:
    """The body as gzip, where that is worth it."""
    if len(answer.body) < MIN_GZIP_BYTES or answer.content_type not in _COMPRESSED:
        return None
    return gzip.compress(answer.body, _GZIP_LEVEL, mtime=0)


def of_problem(problem: ProblemError, *, request: str = "") -> Answer:
    """The answer that a problem is, to the request of this id."""
    return Answer(problem.document(request), problem.status, MEDIA_TYPE, tuple(problem.headers()))


def header_list(answer: Answer) -> list[tuple[bytes, bytes]]:
    """All header fields but the length; those of the answer itself win over the common ones."""
    own = {name for name, _ in answer.headers}
    found = [pair for pair in COMMON if pair[0] not in own]
    found.append((b"content-security-policy", answer.policy or POLICY))
    if answer.body or answer.status not in (204, 304):
        found.append((b"content-type", answer.content_type.encode()))
    return [*found, *answer.headers]


def answer_headers(answer: Answer, zipped: bytes | None) -> list[tuple[bytes, bytes]]:
    """All header fields, for the body as it is or, where there is one, for its gzip."""
    headers = header_list(answer)
    if zipped is not None:
        headers.append((b"content-encoding", b"gzip"))
    if answer.content_type in _COMPRESSED:
        headers.append((b"vary", b"accept-encoding"))
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(answer.body if zipped is None else zipped)))
    return headers


async def send_answer(send: Send, answer: Answer, *, zipped: bytes | None = None, bodiless: bool = False) -> None:
    """The whole answer; `bodiless` for HEAD."""
    body = answer.body if zipped is None else zipped
    headers = answer_headers(answer, zipped)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if bodiless:
        body = b""
    if len(body) <= PIECE_BYTES:
        await send({"type": "http.response.body", "body": body})
        return
    view = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        piece = bytes(view[start : start + PIECE_BYTES])
        more = start + PIECE_BYTES < len(body)
        async with asyncio.timeout(PIECE_TIMEOUT_S):
            await send({"type": "http.response.body", "body": piece, "more_body": more})
