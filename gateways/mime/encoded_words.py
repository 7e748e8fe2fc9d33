"""Unstructured header text for display: RFC 2047 encoded words, raw 8-bit (RFC 6532 or older), folding undone."""

import binascii
import re

from gateways.mime.charset import decode
from gateways.mime.transfer import from_base64

_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*)?)\?=")
_FOLD = re.compile(rb"[\r\n]+[ \t]*")
_SPACES = re.compile(r"[\s\x00]+")


def unfolded(value: bytes, charset: str | None = None) -> str:
    """A field's raw value as one line, encoded words still in it; raw 8-bit bytes are UTF-8, else ``charset``."""
    if b"\n" in value or b"\r" in value:
        value = _FOLD.sub(b" ", value)
    if value.isascii():
        return value.decode("ascii").strip()
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return decode(value, charset or "windows-1252").strip()


def words_decoded(text: str) -> str:
    """The text with its encoded words decoded and white space collapsed.

    White space between two encoded words is no text, and their bytes are joined first where the charset is the same,
    because senders split characters between words.
    """
    if "=?" not in text:
        return _SPACES.sub(" ", text).strip()
    out: list[str] = []
    held, held_charset, end = b"", "", 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        charset = word[1].partition("*")[0].lower()  # RFC 2231 section 5: charset*language
        if held and (charset != held_charset or not _is_blank(between)):
            out.append(decode(held, held_charset))
            held = b""
        if not _is_blank(between) or end == 0:
            out.append(between)
        held, held_charset, end = held + _word_bytes(word[2], word[3]), charset, word.end()
    out.append(decode(held, held_charset))
    out.append(text[end:])
    return _SPACES.sub(" ", "".join(out)).strip()


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return from_base64(data)
    return binascii.a2b_qp(data, header=True)
