"""Bodies and attachments written as MIME entities (RFC 2045, RFC 2046, RFC 2183)."""

import binascii
import re
import secrets
from typing import NamedTuple

from gateways.mime.encode_header import CompositionError, checked, parameter

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_MAX_LINE_BYTES = 998  # RFC 5322 section 2.1.1
_LINE_BYTES = 57  # 76 letters of base64
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


class Entity(NamedTuple):
    """The header fields of a part, each with its line end, and its encoded body."""

    header: bytes
    body: bytes


def text_entity(subtype: str, text: str) -> Entity:
    """Text in UTF-8: as it is where every server takes it, else quoted-printable or, where that is longer, base64."""
    data = _LINE_ENDS.sub("\r\n", text.replace("\x00", "")).encode("utf-8", "replace")
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    encoding, body = _encoded_text(data)
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Entity(header.encode("ascii"), body)


def _encoded_text(data: bytes) -> tuple[str, bytes]:
    if data.isascii() and _short_lines(data):
        return "7bit", data
    quoted = binascii.b2a_qp(data, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if len(quoted) * 3 <= len(data) * 4:
        return "quoted-printable", quoted
    return "base64", _base64(data)


def _short_lines(data: bytes) -> bool:
    return max(map(len, data.split(b"\r\n"))) <= _MAX_LINE_BYTES


def _base64(data: bytes) -> bytes:
    letters = binascii.b2a_base64(data, newline=False)
    width = _LINE_BYTES // 3 * 4
    return b"".join([letters[at : at + width] + b"\r\n" for at in range(0, len(letters), width)])


def attached(
    content: bytes, content_type: str, *, filename: str, disposition: str, content_id: str | None = None
) -> Entity:
    """A file as a part; a message stays as it is where it can (RFC 2046 section 5.2.1), all else is base64.

    Raises: CompositionError where the type or the name is malformed.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith("multipart/"):
        raise CompositionError(f"{content_type[:80]!r} is no content type of a file")
    encoding, body = "base64", b""
    if kind.startswith("message/"):
        encoding, body = _as_message(content)
        kind = kind if encoding != "base64" else "application/octet-stream"
    name = checked(filename, "filename")
    header = f"Content-Type: {kind}{parameter('name', name)}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    header += f"Content-Disposition: {disposition}{parameter('filename', name)}\r\n"
    if content_id is not None:
        header += f"Content-ID: {content_id}\r\n"
    return Entity(header.encode("utf-8", "replace"), body or _base64(content))


def _as_message(content: bytes) -> tuple[str, bytes]:
    """The identity encoding that a message can have, or base64 where lines, line ends or NULs forbid any."""
    lines = content.split(b"\r\n")
    if b"\x00" in content or any(b"\r" in line or b"\n" in line or len(line) > _MAX_LINE_BYTES for line in lines):
        return "base64", b""
    return ("7bit" if content.isascii() else "8bit"), content


def multipart(subtype: str, entities: list[Entity]) -> Entity:
    """The entities in a multipart; one alone stands for itself."""
    if len(entities) == 1:
        return entities[0]
    boundary = f"=_{secrets.token_hex(24)}".encode("ascii")
    header = b'Content-Type: multipart/%s;\r\n boundary="%s"\r\n' % (subtype.encode("ascii"), boundary)
    pieces = [b"--%s\r\n%s\r\n%s\r\n" % (boundary, entity.header, entity.body) for entity in entities]
    return Entity(header, b"".join(pieces) + b"--%s--\r\n" % boundary)
