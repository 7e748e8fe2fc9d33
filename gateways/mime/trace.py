"""The block that a delivery puts in front of a message (RFC 5321 section 4.4), and what is read from earlier ones."""

import re
from collections.abc import Sequence
from email.utils import formatdate

from gateways.mime.encoded_words import unfolded
from gateways.mime.header_fields import body_offset, fields_in_order, without_fields

# RFC 3848 and RFC 6531 section 4.3.
PROTOCOLS = frozenset(
    {"SMTP", "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "LMTP", "LMTPA", "LMTPS", "LMTPSA"}
    | {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA", "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"}
)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]+")
_NO_WORD = re.compile(r"[^!-'*-:=?-\[\]-~\x80-\U0010ffff]+")
_COMMENT_PIECE = re.compile(r"\\.|[()]|[^()\\]+|\\", re.DOTALL)
_AUTHSERV_ID = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')


def trace_block(
    *,
    return_path: str,
    delivered_to: str,
    helo: str,
    client: str,
    hostname: str,
    protocol: str,
    acceptance_id: str,
    received_at_ms: int,
    tls: str | None = None,
    authentication_results: Sequence[str] = (),
) -> bytes:
    """Return-Path, Delivered-To, Received and, where given, Authentication-Results of one recipient, CRLF line ends.

    ``return_path`` is empty for a null reverse-path, ``client`` the peer's network address, ``tls`` a version and
    cipher, ``authentication_results`` the parts of the field after our own name, a line each. No other recipient is
    named. What a stranger chose (``helo``, the addresses) can neither end a line nor open a comment.
    """
    name, server = _word(helo) or "unknown", _word(hostname)
    secured = f"\r\n\t({_word_list(tls)})" if tls else ""
    lines = [
        f"Return-Path: <{_one_line(return_path)}>",
        f"Delivered-To: {_one_line(delivered_to)}",
        f"Received: from {name} ({_literal(client)}){secured}",
        f"\tby {server} with {_protocol(protocol)} id {_word(acceptance_id)}",
        f"\tfor <{_one_line(delivered_to)}>; {formatdate(received_at_ms / 1000)}",
    ]
    if authentication_results:
        lines.append(";\r\n\t".join([f"Authentication-Results: {server}", *map(_one_line, authentication_results)]))
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def _one_line(text: str) -> str:
    return _UNSAFE.sub(" ", text).strip()


def _word(text: str) -> str:
    """Without white space, brackets and parentheses."""
    return _NO_WORD.sub("", text)[:255]


def _word_list(text: str) -> str:
    return " ".join(filter(None, map(_word, text.split())))


def _literal(client: str) -> str:
    """An address literal (RFC 5321 section 4.1.3)."""
    address = _word(client.strip("[]"))
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _protocol(protocol: str) -> str:
    if protocol not in PROTOCOLS:
        raise ValueError(f"{protocol} is no transmission type of RFC 3848")
    return protocol


def cut_forged_results(raw: bytes, hostname: str) -> bytes:
    """``raw`` less every Authentication-Results in the name ``hostname`` (RFC 8601 section 5), else byte-identical."""
    ours = hostname.rstrip(".").lower()

    def forged(name: bytes, value: bytes) -> bool:
        return name == b"authentication-results" and _authserv_id(value) == ours

    return without_fields(raw, forged)


def _authserv_id(value: bytes) -> str:
    found = _AUTHSERV_ID.match(_without_comments(unfolded(value)))
    if found is None:
        return ""
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2]).strip().rstrip(".").lower()


def _without_comments(text: str) -> str:
    out, depth = [], 0
    for piece in _COMMENT_PIECE.findall(text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(depth - 1, 0)
        elif depth == 0:
            out.append(piece)
    return "".join(out)


def count_received(raw: bytes) -> int:
    """How many Received fields the header has: more than 50 are a loop (RFC 5321 section 6.3)."""
    return sum(1 for name, _ in _header(raw) if name.lower() == b"received")


def delivered_to(raw: bytes) -> set[str]:
    """The lower-case addresses of all Delivered-To fields."""
    return {unfolded(value).strip("<> \t").lower() for name, value in _header(raw) if name.lower() == b"delivered-to"}


def _header(raw: bytes) -> list[tuple[bytes, bytes]]:
    return list(fields_in_order(raw, 0, body_offset(raw, 0, len(raw))))
