"""Content transfer encodings undone (RFC 2045 section 6), as far as broken ones can be."""

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} [^\n]*\n", re.MULTILINE)


def decoded(body: bytes, encoding: str) -> bytes:
    """The bytes that ``body`` stands for; an encoding that nobody knows is taken as none."""
    if encoding == "base64":
        return from_base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding in ("x-uuencode", "uuencode", "x-uue"):
        return _from_uuencode(body)
    return body


def from_base64(body: bytes) -> bytes:
    """Base64 with strange characters, missing padding or a lost character at its end: what can be had of it."""
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        letters = _NOT_BASE64.sub(b"", body)
    whole = len(letters) // 4 * 4
    rest = letters[whole:]
    tail = rest + b"=" * (4 - len(rest)) if len(rest) >= 2 else b""
    return binascii.a2b_base64(letters[:whole] + tail)


def _from_uuencode(body: bytes) -> bytes:
    begin = _UU_BEGIN.search(body)
    if begin is None:
        return body
    out = []
    for line in body[begin.end() :].splitlines():
        if line in (b"end", b"`", b""):
            break
        out.append(_uu_line(line))
    return b"".join(out)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        length = (line[0] - 32) & 63
        try:
            return binascii.a2b_uu(line[: 1 + (length * 4 + 2) // 3])
        except binascii.Error:
            return b""
