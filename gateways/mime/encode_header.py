"""Header fields written: encoded words, quoted names, folded lines (RFC 5322 section 2.2.3, RFC 2047, RFC 2231)."""

import re
from base64 import b64encode
from urllib.parse import quote

from gateways.mime.structure import Address

LINE_CHARS = 76
_WORD_BYTES = 42  # 56 letters of base64, so that with its frame an encoded word stays below 75 characters
_PIECE_CHARS = 60
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_ADDRESS = re.compile(r'(?:[^\s<>()\[\]:;,@\\"]+|"(?:[^"\\\r\n]|\\[^\r\n])*")@[^\s<>()@,;:\\"]+')
_PARAMETER_SAFE = re.compile(r"[\x20-\x7e]*")


class CompositionError(ValueError):
    """A field holds what no header may: a line end, a control character, a malformed address or name."""


def checked(text: str, field: str) -> str:
    """``text``, which ends no line and so begins no other field.

    Raises: CompositionError.
    """
    if _FORBIDDEN.search(text):
        raise CompositionError(f"{field} holds a line end or another control character")
    return text


def text_field(name: str, text: str) -> str:
    """An unstructured field, folded; what is not ASCII, or has a word too long to fold, stands in encoded words."""
    words = checked(text, name).split(" ")
    foldable = text == text.strip() and all(len(word) <= LINE_CHARS - 10 for word in words)
    if foldable and text.isascii() and "=?" not in text:
        return folded(name, words)
    return folded(name, encoded_words(text))


def address_field(name: str, addresses: tuple[Address, ...]) -> str:
    """An address list, one or more a line."""
    written = [mailbox(address, name) for address in addresses]
    return folded(name, [piece + "," for piece in written[:-1]] + written[-1:])


def mailbox(address: Address, field: str) -> str:
    """A name and an address as RFC 5322 section 3.4 writes them; raw UTF-8 in an address is RFC 6532's.

    Raises: CompositionError.
    """
    spec = checked(address.address, field)
    if not _ADDRESS.fullmatch(spec) or len(spec.encode("utf-8", "replace")) > 998 - 80:
        raise CompositionError(f"{field} holds an address that is none")
    name = checked(address.name, field).strip()
    return f"{_phrase(name)} <{spec}>" if name else spec


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name or any(len(word) > LINE_CHARS - 10 for word in name.split(" ")):
        return "\r\n ".join(encoded_words(name))
    if _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def encoded_words(text: str) -> list[str]:
    """Encoded words of whole characters, each at most 75 characters long (RFC 2047 section 2)."""
    words: list[str] = []
    held = b""
    for character in text:
        data = character.encode("utf-8", "replace")
        if len(held) + len(data) > _WORD_BYTES:
            words.append(_encoded_word(held))
            held = b""
        held += data
    words.append(_encoded_word(held))
    return words


def _encoded_word(data: bytes) -> str:
    return f"=?utf-8?B?{b64encode(data).decode('ascii')}?="


def folded(name: str, words: list[str]) -> str:
    """The field with its line end; lines break between words where they would grow beyond 76 characters."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > LINE_CHARS and lines[-1].strip() and word and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += " " + word
    return "\r\n".join(lines) + "\r\n"


def parameter(name: str, value: str) -> str:
    """A parameter with what separates it from the one before: quoted, or in the pieces of RFC 2231."""
    checked(value, name)
    if len(value) <= _PIECE_CHARS and _PARAMETER_SAFE.fullmatch(value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    encoded = "utf-8''" + quote(value, safe="", encoding="utf-8", errors="replace")
    pieces = _pieces(encoded)
    if len(pieces) == 1:
        return f";\r\n {name}*={encoded}"
    return "".join(f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(pieces))


def _pieces(encoded: str) -> list[str]:
    """Cut between characters and never inside a percent escape."""
    return re.findall(rf"(?:%[0-9A-F]{{2}}|[^%]){{1,{_PIECE_CHARS // 3}}}", encoded)
