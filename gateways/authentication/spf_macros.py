"""The macros of SPF (RFC 7208 section 7): checked when a record is read, expanded when a name is needed."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

_MACRO = re.compile(r"%(?:\{([slodiphcrvtSLODIPHCRVT])(\d{0,3})([rR]?)([-.+,/_=]*)\}|([%_-]))", re.ASCII)
_LITERAL = re.compile(r"[!-$&-~]*")
_LITERAL_OF_EXPLANATION = re.compile(r"[ -$&-~]*")
_TOP_LABEL = re.compile(r"(?:\d*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])", re.ASCII)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
EXPLANATION_ONLY = "crt"
MAX_NAME = 253
MAX_MACROS = 100
"""Of one text: each stands for up to some 300 characters, which are cut apart anew."""


class MacroInvalidError(ValueError):
    """A macro-string that breaks the grammar: permerror."""


def check_macro_string(text: str) -> None:
    """Nothing, where `text` is a macro-string of a record.

    Raises: MacroInvalidError
    """
    _pieces(text, literal=_LITERAL)


def check_domain_spec(text: str) -> None:
    """Nothing, where `text` is a domain-spec (RFC 7208 section 7.1): it ends in a top label or a macro.

    Raises: MacroInvalidError
    """
    pieces = _pieces(text, literal=_LITERAL)
    for piece in pieces:
        if isinstance(piece, re.Match) and (piece[1] or "").lower() in tuple(EXPLANATION_ONLY):
            raise MacroInvalidError(f"%{{{piece[1]}}} stands in explanations only")
    if not pieces or not _ends_as_domain(pieces[-1]):
        raise MacroInvalidError(f"{text!r} is no domain")


def _ends_as_domain(last: "str | re.Match[str]") -> bool:
    if isinstance(last, re.Match):
        return last[1] is not None
    _before, dot, label = last.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.fullmatch(label) is not None


def _pieces(text: str, *, literal: re.Pattern[str]) -> "list[str | re.Match[str]]":
    pieces: list[str | re.Match[str]] = []
    at = count = 0
    while at < len(text):
        macro = _MACRO.match(text, at)
        if macro is not None:
            if macro[2] and int(macro[2]) == 0:
                raise MacroInvalidError("no labels are taken")
            count += macro[1] is not None
            if count > MAX_MACROS:
                raise MacroInvalidError(f"more than {MAX_MACROS} macros")
            pieces.append(macro)
            at = macro.end()
            continue
        plain = literal.match(text, at)
        if plain is None or plain.end() == at:
            raise MacroInvalidError(f"{text!r} is no macro-string")
        pieces.append(plain[0])
        at = plain.end()
    return pieces


def letters_in(text: str) -> set[str]:
    """The macro letters that stand in it, in lower case."""
    return {macro[1].lower() for macro in _MACRO.finditer(text) if macro[1]}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """The macro-string with `values` by lower-case letter in their places (RFC 7208 sections 7.2 to 7.4)."""
    return "".join(
        piece if isinstance(piece, str) else _value(piece, values) for piece in _pieces(text, literal=_LITERAL)
    )


def explanation(text: str, values: Mapping[str, str]) -> str:
    """An explanation with its macros expanded.

    Raises: MacroInvalidError
    """
    pieces = _pieces(text, literal=_LITERAL_OF_EXPLANATION)
    return "".join(piece if isinstance(piece, str) else _value(piece, values) for piece in pieces)


def domain_name(text: str, values: Mapping[str, str]) -> str:
    """The name that a domain-spec leads to; of one too long the left labels go (RFC 7208 section 7.3)."""
    name = expanded(text, values).removesuffix(".")
    if len(name) <= MAX_NAME:
        return name
    _cut, dot, kept = name[-MAX_NAME - 1 :].partition(".")
    return kept if dot else name.rpartition(".")[2]


def _value(macro: "re.Match[str]", values: Mapping[str, str]) -> str:
    letter, digits, reverse, delimiters, escape = macro.groups()
    if escape:
        return _ESCAPES[escape]
    value = values[letter.lower()]
    if digits or reverse or delimiters:
        parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
        if reverse:
            parts.reverse()
        value = ".".join(parts[-int(digits) :] if digits else parts)
    return quote(value, safe="-._~") if letter.isupper() else value


def dotted(address: str) -> str:
    """The value of `i`: an IPv4 address as it is, an IPv6 one as nibbles between dots."""
    read = ipaddress.ip_address(address)
    return str(read) if read.version == 4 else ".".join(read.exploded.replace(":", "").upper())
