"""Answers as the octets that a connection carries (RFC 9112): made once, sent to everybody who asked the same."""

from email.utils import formatdate
from http import HTTPStatus

from gateways.http.held import answerable, keeps_alive
from gateways.http.operations import Answer
from gateways.http.request_ids import HEADER, identified
from gateways.http.requests import Scope, Send
from gateways.http.responses import PIECE_BYTES, answer_headers, send_answer

END = b"0\r\n\r\n"
"""Ends what was sent in chunks (RFC 9112 section 7.1)."""


class FieldBrokenError(Exception):
    """A header field holds what ends one (RFC 9110 section 5.5): what came after it would be taken for another."""


def whole(answer: Answer, *, zipped: bytes | None, keep_alive: bool) -> bytes:
    """Status line, header fields and body. Raises: FieldBrokenError."""
    headers = [(b"date", formatdate(usegmt=True).encode()), *answer_headers(answer, zipped)]
    if not keep_alive:
        headers.append((b"connection", b"close"))
    status = HTTPStatus(answer.status)
    fields = b"".join(b"%b: %b\r\n" % field for field in headers)
    if not fields.count(b"\r") == fields.count(b"\n") == len(headers) or b"\0" in fields:
        raise FieldBrokenError(headers)
    body = answer.body if zipped is None else zipped
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), fields, body)


def with_request_id(octets: bytes, request: str) -> bytes:
    """A whole answer that many are given, with the id of the request of one of them."""
    cut = octets.index(b"\r\n") + 2
    return b"%b%b: %b\r\n%b" % (octets[:cut], HEADER, request.encode(), octets[cut:])


async def answer_whole(scope: Scope, send: Send, answer: Answer, zipped: bytes | None) -> None:
    """Send an answer: in one write where it is small, in pieces where it is large or its client is slow."""
    bodiless = scope["method"] == "HEAD"
    if not bodiless and len(answer.body) <= PIECE_BYTES:
        octets = whole(identified(scope, answer), zipped=zipped, keep_alive=keeps_alive(scope))
        if answerable(scope).answer(octets):
            return
    await send_answer(send, answer, zipped=zipped, bodiless=bodiless)


def chunk(octets: bytes) -> bytes:
    """A part of a body of unknown length (RFC 9112 section 7.1); of nothing nothing, since that would end it."""
    return b"%x\r\n%b\r\n" % (len(octets), octets) if octets else b""
