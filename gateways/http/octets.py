"""Answers as the octets that a connection carries (RFC 9112): made once, sent to everybody who asked the same."""

from email.utils import formatdate
from http import HTTPStatus

from gateways.http.operations import Answer
from gateways.http.responses import answer_headers

END = b"0\r\n\r\n"
"""Ends what was sent in chunks (RFC 9112 section 7.1)."""


def whole(answer: Answer, *, zipped: bytes | None, keep_alive: bool) -> bytes:
    """Status line, header fields and body."""
    headers = [(b"date", formatdate(usegmt=True).encode()), *answer_headers(answer, zipped)]
    if not keep_alive:
        headers.append((b"connection", b"close"))
    status = HTTPStatus(answer.status)
    fields = b"".join(b"%b: %b\r\n" % field for field in headers)
    body = answer.body if zipped is None else zipped
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), fields, body)


def chunk(octets: bytes) -> bytes:
    """A part of a body of unknown length (RFC 9112 section 7.1); of nothing nothing, since that would end it."""
    return b"%x\r\n%b\r\n" % (len(octets), octets) if octets else b""
