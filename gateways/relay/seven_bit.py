"""A message of 8-bit octets made one of 7 bits, for a host without 8BITMIME (RFC 6152 section 3).

Each part that is not split further and holds such octets is encoded anew; the rest stays octet for octet.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from gateways.mime.header_fields import body_offset
from gateways.mime.splitter import split_message
from gateways.mime.structure import Part

_ENCODING = re.compile(rb"^content-transfer-encoding[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n", re.IGNORECASE | re.MULTILINE)
_HIGH = re.compile(rb"[\x80-\xff]")
_PLAIN = frozenset({"7bit", "8bit", "binary"})
_UNTOUCHABLE = ("multipart/signed", "multipart/encrypted")
_LINE_OCTETS = 998  # RFC 5321 section 4.5.3.1.6, with its CRLF


class NotSevenBitError(Exception):
    """It cannot be made one of 7 bits without changing what it says, or what somebody signed."""


def seven_bit(raw: bytes) -> bytes:
    """The message, of CRLF lines, with all its octets below 128.

    Raises: NotSevenBitError
    """
    root, _fields = split_message(raw)
    pieces: list[bytes] = []
    done = 0
    for start, end, encoded in _changed(raw, root):
        pieces += [raw[done:start], encoded]
        done = end
    found = b"".join([*pieces, raw[done:]])
    if _HIGH.search(found):
        raise NotSevenBitError("8-bit octets stand outside of what can be encoded")
    return found


def _changed(raw: bytes, part: Part) -> Iterator[tuple[int, int, bytes]]:
    """The spans that are replaced, in their order."""
    start, body, end = part.header_start, part.body_start, part.body_end
    if not _HIGH.search(raw, start, end) and not _says_eight_bit(raw[start:body]):
        return
    if _HIGH.search(raw, start, body):
        raise NotSevenBitError("a header holds 8-bit octets")
    if part.content_type in _UNTOUCHABLE and _HIGH.search(raw, body, end):
        raise NotSevenBitError("what is signed cannot be encoded anew")
    if part.parts:
        yield start, body, _relabelled(raw[start:body], None)
        for inner in part.parts:
            yield from _changed(raw, inner)
    elif part.content_type.startswith(("multipart/", "message/")) or part.transfer_encoding not in _PLAIN:
        raise NotSevenBitError("it holds 8-bit octets and cannot be taken apart")
    else:
        yield start, end, _encoded(raw[start:body], raw[body:end], is_text=part.content_type.startswith("text/"))


def _says_eight_bit(header: bytes) -> bool:
    found = _ENCODING.search(header)
    return found is not None and found[0].partition(b":")[2].strip().lower() in (b"8bit", b"binary")


def _encoded(header: bytes, body: bytes, *, is_text: bool) -> bytes:
    if not _HIGH.search(body) and all(len(line) <= _LINE_OCTETS for line in body.split(b"\r\n")):
        return _relabelled(header, None) + body
    if is_text:
        lines = [_quoted(line) for line in body.split(b"\r\n")]
        return _relabelled(header, b"quoted-printable") + b"\r\n".join(lines)
    encoded = base64.encodebytes(body).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    return _relabelled(header, b"base64") + encoded


def _quoted(line: bytes) -> bytes:
    return binascii.b2a_qp(line, istext=False, quotetabs=False).replace(b"=\n", b"=\r\n")


def _relabelled(header: bytes, encoding: bytes | None) -> bytes:
    """The part's header with this encoding, or without one."""
    bare = _ENCODING.sub(b"", header)
    if encoding is None:
        return bare
    at = len(bare) - 2 if bare.endswith(b"\r\n") else len(bare)
    return bare[:at] + b"Content-Transfer-Encoding: " + encoding + b"\r\n" + bare[at:]


def has_eight_bit_header(raw: bytes) -> bool:
    """Whether the message's own header needs SMTPUTF8 (RFC 6531 section 3.4)."""
    return _HIGH.search(raw, 0, body_offset(raw, 0, len(raw))) is not None


def has_eight_bit(raw: bytes) -> bool:
    """Whether any octet is above 127."""
    return not raw.isascii()
