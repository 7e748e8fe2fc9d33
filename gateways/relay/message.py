"""The message as it goes on the wire: CRLF lines, no Bcc, in 7 bits where the host asks for that, signed, dot-stuffed.

What leaves is made for one host's extensions, so that a signature covers exactly what is sent.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from gateways.mime.compose import strip_bcc
from gateways.relay.sent_copy import SentCopy
from gateways.relay.seven_bit import has_eight_bit, has_eight_bit_header, seven_bit

_LINE_END = re.compile(rb"\r\n|\r|\n")

Sign = Callable[[bytes], bytes]
"""The fields to put before a message; nothing where its domain has no keys."""


class Letter:
    """A message on its way out. `raw` is as it is stored; what is only passed on keeps every field."""

    def __init__(self, raw: bytes, sign: Sign, *, is_passed_on: bool = False) -> None:
        self._raw = _crlf(raw if is_passed_on else strip_bcc(raw))
        self._sign = sign
        self._made: dict[bool, _Made] = {}
        self.is_eight_bit = has_eight_bit(self._raw)
        self.needs_smtputf8 = self.is_eight_bit and has_eight_bit_header(self._raw)

    @property
    def size_bytes(self) -> int:
        """Before it is signed or encoded anew."""
        return len(self._raw)

    def wire(self, *, in_seven_bits: bool) -> tuple[bytes, int]:
        """What to write before the last dot, and how large the message is without the stuffed dots.

        Raises: NotSevenBitError
        """
        made = self._make(in_seven_bits=in_seven_bits)
        return made.content, made.size_bytes

    def copy(self, *, in_seven_bits: bool, host: str, return_path: str) -> SentCopy:
        """What the archive is told of the bytes that `wire` gives. Raises: NotSevenBitError"""
        made = self._make(in_seven_bits=in_seven_bits)
        return SentCopy(
            host=host,
            return_path=return_path,
            fields=made.fields,
            in_seven_bits=in_seven_bits and self.is_eight_bit,
            size_bytes=made.size_bytes,
            sha256=made.sha256,
        )

    def _make(self, *, in_seven_bits: bool) -> "_Made":
        must_change = in_seven_bits and self.is_eight_bit
        if must_change not in self._made:
            raw = seven_bit(self._raw) if must_change else self._raw
            fields = self._sign(raw)
            whole = fields + raw
            self._made[must_change] = _Made(stuffed(whole), len(whole), fields, hashlib.sha256(whole).hexdigest())
        return self._made[must_change]


class _Made(NamedTuple):
    content: bytes
    size_bytes: int
    fields: bytes
    sha256: str


def sent_bytes(raw: bytes, copy: SentCopy) -> bytes:
    """The message of a transaction, before its dots were stuffed: of the stored `raw`, and what was told of it then."""
    body = _crlf(strip_bcc(raw))
    return copy.fields + (seven_bit(body) if copy.in_seven_bits else body)


def stuffed(whole: bytes) -> bytes:
    """CRLF lines, each that begins with a dot given one more (RFC 5321 section 4.5.2), the last one ended."""
    if not whole.endswith(b"\r\n"):
        whole += b"\r\n"
    found = whole.replace(b"\r\n.", b"\r\n..")
    return b"." + found if found.startswith(b".") else found


def _crlf(raw: bytes) -> bytes:
    """No CR or LF stands alone: a host that takes one for a line end would find other mail in this (SMTP smuggling)."""
    pairs = raw.count(b"\r\n")
    if raw.count(b"\r") == raw.count(b"\n") == pairs:
        return raw
    return _LINE_END.sub(b"\r\n", raw)
