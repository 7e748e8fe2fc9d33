"""Content-Type and Content-Disposition: a value and its parameters, with the continuations and charsets of RFC 2231."""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from gateways.mime.charset import decode
from gateways.mime.encoded_words import unfolded, words_decoded
from gateways.mime.structure import Params

MAX_PARAMETERS = 200
_VALUE = re.compile(r"[^;]*")
_PARAMETER = re.compile(r"""[;\s]*([^=;\s"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))""", re.DOTALL)
_NAME = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NAMING = ("name", "filename")  # RFC 2047 section 5 forbids encoded words there, and half of the world writes them
_CACHED_BYTES = 128

Parameterised = tuple[str, Params]


def parse_value(raw: bytes) -> Parameterised:
    """The lower-case value before the first semicolon, and its decoded parameters by lower-case name, each once."""
    return _cached(raw) if len(raw) <= _CACHED_BYTES else _parsed(raw)


@lru_cache(maxsize=1024)
def _cached(raw: bytes) -> Parameterised:
    return _parsed(raw)


def _parsed(raw: bytes) -> Parameterised:
    text = unfolded(raw)
    head = _VALUE.match(text)
    value = head[0] if head else ""
    rest = text[len(value) :]
    return value.strip().lower(), _parameters(rest) if rest else ()


def _parameters(text: str) -> Params:
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(text)):
        if count >= MAX_PARAMETERS:
            break
        value = _ESCAPE.sub(r"\1", found[2]) if found[2] is not None else found[3].strip()
        marked = _NAME.fullmatch(found[1].lower())
        if marked is None or (marked[2] is None and marked[3] is None):
            plain.setdefault(found[1].lower(), value)
        else:
            pieces.setdefault(marked[1], {}).setdefault(int(marked[2] or 0), (value, marked[3] is not None))
    named = {name: words_decoded(value) if name in _NAMING else value for name, value in plain.items()}
    for name, numbered in pieces.items():
        named[name] = _joined(numbered)  # RFC 6266 section 4.3, and common sense: the extended form wins
    return tuple(named.items())


def _joined(numbered: dict[int, tuple[str, bool]]) -> str:
    """The pieces of one parameter in their order (RFC 2231 sections 3 and 4)."""
    charset: str | None = None
    whole = b""
    for position, number in enumerate(sorted(numbered)):
        value, extended = numbered[number]
        if extended and position == 0 and value.count("'") >= 2:
            label, _, value = value.split("'", 2)
            charset = label or None
        data = value.encode("utf-8", "replace")
        whole += unquote_to_bytes(data) if extended else data
    return decode(whole, charset)
