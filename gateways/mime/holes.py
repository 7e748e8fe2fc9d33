"""Large attachments taken out of a message and put back, byte for byte.

An attachment sent to a hundred people is stored once, decoded; each message keeps a hole and how to encode it again.
"""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from gateways.mime.structure import Attachment, ParsedMessage, part_at

LEAST_BYTES = 65_536
"""Decoded size above which an attachment is split out."""

MAGIC = b"\x00ledgermail-holes-1\x00"
"""RFC 5322 section 2.2 allows no NUL; a message that a stranger begins like this all the same goes by ``storable``."""

_LENGTH_BYTES = 4
_MAX_EDGE_BYTES = 64
_MAX_LINE_CHARS = 998
_LINES_AT_ONCE = 16_384
_EDGE = re.compile(rb"[ \t\r\n]*")
_FIRST_LINE = re.compile(rb"[A-Za-z0-9+/=]+")

Fetch = Callable[[str], bytes]


class HoleError(ValueError):
    """What was to fill a hole is not what was taken out, or a packed message is damaged."""


class Hole(msgspec.Struct, frozen=True):
    """Where in the skeleton a part was, and how its decoded bytes are encoded there again.

    ``line_chars`` is the length of a base64 line (0: one line), ``newline`` what ends it, ``before`` and ``after`` the
    white space around the encoded letters.
    """

    offset: int
    sha256: str
    length_encoded: int
    length_decoded: int
    encoding: Literal["base64", "identity"]
    line_chars: int = 0
    newline: bytes = b""
    before: bytes = b""
    after: bytes = b""


class Unpacked(NamedTuple):
    """A message with holes; ``sha256`` and ``size`` are of the whole."""

    skeleton: bytes
    holes: tuple[Hole, ...]
    sha256: str
    size: int


class Split(NamedTuple):
    """A message with holes and what was in them, by the hex sha256 of the decoded bytes."""

    skeleton: bytes
    holes: tuple[Hole, ...]
    parts: dict[str, bytes]
    sha256: str
    size: int


class _Header(msgspec.Struct, frozen=True, array_like=True):
    sha256: str
    size: int
    holes: tuple[Hole, ...]


def split(raw: bytes, parsed: ParsedMessage) -> Split:
    """The message less its attachments above 64 KB; a part that does not encode back exactly stays inside.

    What is answered was joined again and compared by hash first; where that failed nothing is taken out.
    """
    whole = sha256(raw).hexdigest()
    skeleton: list[bytes] = []
    holes: list[Hole] = []
    parts: dict[str, bytes] = {}
    done, skeleton_bytes = 0, 0
    for start, end, attachment in _candidates(parsed):
        if start < done:
            continue
        content, hole = _hole(raw[start:end], attachment, skeleton_bytes + start - done)
        if hole is None:
            continue
        skeleton.append(raw[done:start])
        skeleton_bytes += start - done
        done = end
        holes.append(hole)
        parts[hole.sha256] = content
    skeleton.append(raw[done:])
    answer = Split(b"".join(skeleton), tuple(holes), parts, whole, len(raw))
    if holes and _hash(_pieces(answer.skeleton, answer.holes, parts.__getitem__)) != whole:
        return Split(raw, (), {}, whole, len(raw))
    return answer


def _candidates(parsed: ParsedMessage) -> Iterator[tuple[int, int, Attachment]]:
    for attachment in parsed.attachments:
        part = part_at(parsed.structure, attachment.path) if attachment.size > LEAST_BYTES else None
        if part is not None:
            yield part.body_start, part.body_end, attachment


def _hole(body: bytes, attachment: Attachment, offset: int) -> tuple[bytes, Hole | None]:
    """The decoded bytes and their hole, or no hole where they do not encode back to ``body``."""
    if sha256(body).hexdigest() == attachment.sha256:
        return body, Hole(offset, attachment.sha256, len(body), len(body), "identity")
    before = _EDGE.match(body)
    start = before.end() if before else 0
    after = body[len(body.rstrip(b" \t\r\n")) :]
    if start > _MAX_EDGE_BYTES or len(after) > _MAX_EDGE_BYTES:
        return b"", None
    try:
        content = binascii.a2b_base64(body)
    except binascii.Error:
        return b"", None
    line_chars, newline = _line_style(body, start)
    hole = Hole(offset, attachment.sha256, len(body), len(content), "base64", line_chars, newline, body[:start], after)
    exact = sha256(content).hexdigest() == attachment.sha256 and line_chars % 4 == 0 and _same(body, hole, content)
    return content, hole if exact else None


def _line_style(body: bytes, start: int) -> tuple[int, bytes]:
    """Letters in the first line and what ends it."""
    first = _FIRST_LINE.match(body, start)
    end = first.end() if first else start
    if body.startswith(b"\r\n", end):
        return end - start, b"\r\n"
    if body.startswith(b"\n", end):
        return end - start, b"\n"
    return 0, b""


def _same(body: bytes, hole: Hole, content: bytes) -> bool:
    at = 0
    for piece in _encoded(hole, content):
        if not body.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(body)


def _encoded(hole: Hole, content: bytes) -> Iterator[bytes]:
    """The bytes that stood in the hole, a megabyte or so at once."""
    if hole.encoding == "identity":
        yield content
        return
    yield hole.before
    if not hole.line_chars:
        yield binascii.b2a_base64(content, newline=False)
        yield hole.after
        return
    step = hole.line_chars // 4 * 3 * _LINES_AT_ONCE
    width = hole.line_chars
    for start in range(0, len(content), step):
        letters = binascii.b2a_base64(content[start : start + step], newline=False)
        if start:
            yield hole.newline
        yield hole.newline.join([letters[at : at + width] for at in range(0, len(letters), width)])
    yield hole.after


def _pieces(skeleton: bytes, holes: Iterable[Hole], fetch: Fetch) -> Iterator[bytes]:
    done = 0
    for hole in holes:
        content = fetch(hole.sha256)
        if len(content) != hole.length_decoded:
            raise HoleError(f"{hole.sha256} has {len(content)} bytes instead of {hole.length_decoded}")
        yield skeleton[done : hole.offset]
        yield from _encoded(hole, content)
        done = hole.offset
    yield skeleton[done:]


def _hash(pieces: Iterable[bytes]) -> str:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def join(skeleton: bytes, holes: Iterable[Hole], fetch: Fetch) -> bytes:
    """The whole message; ``fetch`` gives the decoded bytes of a hex sha256.

    Raises: HoleError, and whatever ``fetch`` raises.
    """
    return b"".join(_pieces(skeleton, holes, fetch))


def storable(raw: bytes) -> bytes:
    """What to store for a message that is not split: itself, unless a stranger made it look like a packed one."""
    if not is_packed(raw):
        return raw
    return pack(Split(raw, (), {}, sha256(raw).hexdigest(), len(raw)))


def pack(message: Split) -> bytes:
    """The stored form of a message with holes: magic, length of the header, header in msgpack, skeleton."""
    header = msgspec.msgpack.encode(_Header(message.sha256, message.size, message.holes))
    return MAGIC + len(header).to_bytes(_LENGTH_BYTES, "big") + header + message.skeleton


def is_packed(data: bytes) -> bool:
    """Whether ``data`` is a message with holes rather than a message."""
    return data.startswith(MAGIC)


def unpack(data: bytes) -> Unpacked:
    """What ``pack`` was given, less the parts.

    Raises: HoleError where ``data`` is damaged.
    """
    start = len(MAGIC) + _LENGTH_BYTES
    end = start + int.from_bytes(data[len(MAGIC) : start], "big")
    if not is_packed(data) or end > len(data):
        raise HoleError("no packed message")
    try:
        header = msgspec.msgpack.decode(data[start:end], type=_Header)
    except msgspec.DecodeError as error:
        raise HoleError("the header of a packed message cannot be read") from error
    return Unpacked(data[end:], header.holes, header.sha256, header.size)
