"""The tree of a message's parts with the byte offsets of each (RFC 2046 section 5.1), in one pass per level.

No boundary, an unclosed or repeated one, thousands of parts, hundreds of levels: what cannot be split stays one part.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateways.mime.encoded_words import unfolded, words_decoded
from gateways.mime.header_fields import Fields, body_offset, fields_of
from gateways.mime.parameters import parse_value
from gateways.mime.structure import MAX_DEPTH, MAX_PARTS, MAX_SHOWN_CHARS, Params, Part
from gateways.mime.transfer import decoded

_TYPE = re.compile(r"[!#-'*+.0-9^-~-]+/[!#-'*+.0-9^-~-]+")
_TRANSPARENT = frozenset({"7bit", "8bit", "binary"})
_PATH_SIGNS = re.compile(r"[\x00-\x1f\x7f/\\]")
_MAX_FILENAME_CHARS = 255
_MAX_DELIMITER_BYTES = 1_000
_MAX_NEAR_MISSES = 10_000
_SCANS_OF_THE_WHOLE = 16
_LEAST_SCAN_BYTES = 1 << 20


class Described(NamedTuple):
    """What a part's own header says about it."""

    content_type: str
    params: Params
    encoding: str
    disposition: str | None
    disposition_params: Params
    fields: Fields


def split_message(raw: bytes) -> tuple[Part, Fields]:
    """The root part of ``raw`` and the fields of the message's header."""
    body_start = body_offset(raw, 0, len(raw))
    fields = fields_of(raw, 0, body_start)
    return _Splitter(raw).message("", 0, body_start, len(raw), fields, 0), fields


class _Splitter:
    """Holds the bytes and what may still be spent on them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.parts_left = MAX_PARTS
        self.scan_left = _LEAST_SCAN_BYTES + _SCANS_OF_THE_WHOLE * len(raw)

    def message(self, prefix: str, start: int, body_start: int, end: int, fields: Fields, depth: int) -> Part:
        """The root of a message: a multipart is its TEXT, anything else its part 1 (RFC 9051 section 6.4.5)."""
        said = described(fields, "text/plain")
        path = prefix + ("TEXT" if said.content_type.startswith("multipart/") else "1")
        return self.part(path, prefix, (start, body_start, end), said, depth)

    def entity(self, path: str, start: int, end: int, default_type: str, depth: int) -> Part:
        """A part of a multipart, whose own header begins at ``start``."""
        body_start = body_offset(self.raw, start, end)
        said = described(fields_of(self.raw, start, body_start), default_type)
        return self.part(path, path + ".", (start, body_start, end), said, depth)

    def part(self, path: str, prefix: str, span: tuple[int, int, int], said: Described, depth: int) -> Part:
        self.parts_left -= 1
        _, body_start, end = span
        parts: tuple[Part, ...] = ()
        if depth < MAX_DEPTH and said.encoding in _TRANSPARENT:
            if said.content_type.startswith("multipart/"):
                parts = self.children(prefix, body_start, end, said, depth)
            elif said.content_type in ("message/rfc822", "message/global"):
                parts = self.inner(path + ".", body_start, end, depth)
        return _part(self.raw, path, span, said, parts)

    def children(self, prefix: str, start: int, end: int, said: Described, depth: int) -> tuple[Part, ...]:
        boundary = _param(said.params, "boundary")
        if not boundary:
            return ()
        default = "message/rfc822" if said.content_type == "multipart/digest" else "text/plain"
        spans = self.spans(boundary.encode("utf-8", "replace"), start, end)
        found = []
        for number, (first, last) in enumerate(spans, 1):
            if self.parts_left <= 0:
                break
            found.append(self.entity(f"{prefix}{number}", first, last, default, depth + 1))
        return tuple(found)

    def inner(self, prefix: str, start: int, end: int, depth: int) -> tuple[Part, ...]:
        if self.parts_left <= 0 or not self.may_scan(end - start):
            return ()
        body_start = body_offset(self.raw, start, end)
        return (self.message(prefix, start, body_start, end, fields_of(self.raw, start, body_start), depth + 1),)

    def may_scan(self, size: int) -> bool:
        """Whether the budget allows one more look at that many bytes; it keeps nested levels linear in the whole."""
        self.scan_left -= size
        return self.scan_left >= 0

    def spans(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Where the parts between the delimiter lines begin and end, less the line end before each delimiter."""
        if not self.may_scan(end - start):
            return []
        raw, delimiter = self.raw, b"--" + boundary
        found: list[tuple[int, int]] = []
        opened, near_misses = -1, 0
        at = start if raw.startswith(delimiter, start, end) else _next_line(raw, delimiter, start, end)
        while at >= 0 and near_misses < _MAX_NEAR_MISSES:
            behind = at + len(delimiter)
            closing = raw.startswith(b"--", behind, end)
            line_end = raw.find(b"\n", behind, end)
            line_end = end if line_end < 0 else line_end
            if line_end - behind >= _MAX_DELIMITER_BYTES or not (closing or _ends_a_delimiter(raw, behind, line_end)):
                near_misses += 1
            else:
                if opened >= 0:
                    found.append((opened, max(opened, _without_line_end(raw, at))))
                opened = -1 if closing else min(line_end + 1, end)
                if closing or len(found) > self.parts_left:
                    break
            at = _next_line(raw, delimiter, behind, end)
        if opened >= 0:
            found.append((opened, end))
        return found


def _ends_a_delimiter(raw: bytes, behind: int, line_end: int) -> bool:
    """Only white space may follow a boundary, and behind it anything: "--b1" is no delimiter of the boundary "b"."""
    return behind == line_end or raw[behind] in b" \t\r"


def _next_line(raw: bytes, delimiter: bytes, start: int, end: int) -> int:
    at = raw.find(b"\n" + delimiter, max(start - 1, 0), end)
    return -1 if at < 0 else at + 1


def _without_line_end(raw: bytes, at: int) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)."""
    if raw.endswith(b"\r\n", 0, at):
        return at - 2
    return at - 1 if at and raw[at - 1] == 0x0A else at


def described(fields: Fields, default_type: str) -> Described:
    """Type, encoding and disposition as the fields name them; a malformed type is text/plain (RFC 2045 section 5.2)."""
    content_type = default_type
    params: Params = ()
    disposition_params: Params = ()
    encoding, disposition = "7bit", None
    if b"content-type" in fields:
        value, params = parse_value(fields[b"content-type"][0])
        found = _TYPE.match(value)
        content_type = found[0][:MAX_SHOWN_CHARS] if found else "text/plain"
    if b"content-transfer-encoding" in fields:
        encoding = parse_value(fields[b"content-transfer-encoding"][0])[0][:100] or "7bit"
    if b"content-disposition" in fields:
        value, disposition_params = parse_value(fields[b"content-disposition"][0])
        disposition = value[:100] or None
    if content_type.startswith("multipart/") and encoding not in _TRANSPARENT:
        encoding = "7bit"  # RFC 2045 section 6.4 allows no other
    return Described(content_type, params, encoding, disposition, disposition_params, fields)


def _part(raw: bytes, path: str, span: tuple[int, int, int], said: Described, parts: tuple[Part, ...]) -> Part:
    start, body_start, end = span
    fields = said.fields
    charset = _param(said.params, "charset")
    is_text = said.content_type.startswith(("text/", "message/"))
    return Part(
        path=path,
        content_type=said.content_type,
        charset=charset.lower()[:100] if charset else None,
        transfer_encoding=said.encoding,
        disposition=said.disposition,
        filename=_filename(said),
        content_id=_line(fields, b"content-id", strip="<> \t"),
        header_start=start,
        body_start=body_start,
        body_end=end,
        size=end - body_start if said.encoding in _TRANSPARENT else len(decoded(raw[body_start:end], said.encoding)),
        lines=raw.count(b"\n", body_start, end) if is_text else 0,
        parts=parts,
        params=said.params,
        disposition_params=said.disposition_params,
        description=_line(fields, b"content-description"),
        language=_line(fields, b"content-language"),
        location=_line(fields, b"content-location"),
        md5=_line(fields, b"content-md5"),
    )


def _param(params: Params, name: str) -> str | None:
    for key, value in params:
        if key == name:
            return value
    return None


def _filename(said: Described) -> str | None:
    """The name without a path and without control characters, or None."""
    name = _param(said.disposition_params, "filename") or _param(said.params, "name")
    if not name:
        return None
    leaf = _PATH_SIGNS.split(name)[-1].strip(" .") or _PATH_SIGNS.sub("", name).strip(" .")
    if len(leaf) > _MAX_FILENAME_CHARS:
        stem, dot, extension = leaf.rpartition(".")
        kept = f".{extension}" if dot and len(extension) <= 20 else ""
        leaf = (stem if kept else leaf)[: _MAX_FILENAME_CHARS - len(kept)] + kept
    return leaf or None


def _line(fields: Fields, name: bytes, strip: str = " \t") -> str | None:
    if name not in fields:
        return None
    return words_decoded(unfolded(fields[name][0])).strip(strip)[:MAX_SHOWN_CHARS] or None
