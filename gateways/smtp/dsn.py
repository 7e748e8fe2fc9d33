"""What a sender says of the notifications that it wants (RFC 3461): RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT."""

import re
from dataclasses import dataclass

from gateways.smtp.grammar import ArgumentInvalidError

MAX_ENVID_CHARS = 100  # RFC 3461 section 4.4
MAX_ORCPT_CHARS = 500  # RFC 3461 section 4.2

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNITEXT = re.compile(r"(?:[!-*,-<>-\[\]-~]|[\x80-\U0010ffff]|\\x\{(?:[0-9A-F]{2,6})\})+")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,40}")
_EVENTS = ("SUCCESS", "FAILURE", "DELAY")


@dataclass(frozen=True, slots=True)
class DsnWishes:
    """Of one recipient: `orcpt` is `type;address` as it was meant, not as it was encoded; `notify` in upper case."""

    orcpt: str | None = None
    notify: tuple[str, ...] = ()


def ret(value: str | None) -> str:
    """`FULL` or `HDRS` (RFC 3461 section 4.3). Raises: ArgumentInvalidError."""
    if value is None or value.upper() not in ("FULL", "HDRS"):
        raise ArgumentInvalidError("RET=FULL or RET=HDRS")
    return value.upper()


def envid(value: str | None) -> str:
    """The sender's own name for the envelope (RFC 3461 section 4.4). Raises: ArgumentInvalidError."""
    if value is None or len(value) > MAX_ENVID_CHARS:
        raise ArgumentInvalidError(f"ENVID=xtext of at most {MAX_ENVID_CHARS} characters")
    return xtext(value)


def notify(value: str | None) -> tuple[str, ...]:
    """`NEVER` alone, or some of `SUCCESS`, `FAILURE`, `DELAY` (RFC 3461 section 4.1). Raises: ArgumentInvalidError."""
    given = tuple((value or "").upper().split(","))
    if given != ("NEVER",) and (len(set(given)) != len(given) or not set(given) <= set(_EVENTS)):
        raise ArgumentInvalidError("NOTIFY=NEVER, or of SUCCESS, FAILURE and DELAY each once")
    return given


def orcpt(value: str | None) -> str:
    """`type;address` (RFC 3461 section 4.2), a `utf-8` one as in RFC 6533 section 3. Raises: ArgumentInvalidError."""
    kind, semicolon, address = (value or "").partition(";")
    if value is None or len(value) > MAX_ORCPT_CHARS or not semicolon or not _ADDRESS_TYPE.fullmatch(kind):
        raise ArgumentInvalidError(f"ORCPT=type;address of at most {MAX_ORCPT_CHARS} characters")
    meant = _unitext(address) if kind.lower() == "utf-8" else xtext(address)
    return f"{kind};{meant}"


def xtext(text: str) -> str:
    """What an xtext stands for (RFC 3461 section 4), which must be printable. Raises: ArgumentInvalidError."""
    if not _XTEXT.fullmatch(text):
        raise ArgumentInvalidError("xtext")
    octets = _HEX.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1")
    return _printable(octets.decode(errors="replace"))


def _unitext(text: str) -> str:
    if _XTEXT.fullmatch(text) and "+" in text:
        return xtext(text)
    if not _UNITEXT.fullmatch(text):
        raise ArgumentInvalidError("a utf-8 address")
    codes = [int(found, 16) for found in _EMBEDDED.findall(text)]
    if any(code > 0x10FFFF or 0xD800 <= code < 0xE000 for code in codes):
        raise ArgumentInvalidError("a utf-8 address")
    return _printable(_EMBEDDED.sub(lambda found: chr(int(found[1], 16)), text))


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ArgumentInvalidError("printable text")
    return text
