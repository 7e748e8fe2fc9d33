"""Where a header block ends and which fields stand in it, as raw bytes in their order (RFC 5322 section 2.2)."""

import re
from collections.abc import Callable, Iterator

from gateways.mime.structure import MAX_HEADER_BYTES, MAX_VALUE_BYTES

Fields = dict[bytes, list[bytes]]
MAX_FIELDS = 10_000

# A field, or a line that is none and is passed over.
_FIELD = re.compile(rb"(?:([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)|[^\n]+)\n?")
_STARTS_LIKE_A_FIELD = re.compile(rb"[ \t]*[!-9;-~]+[ \t]*:")
_MBOX_LINE = re.compile(rb">?From [^\n]*\n")


def body_offset(raw: bytes, start: int, end: int) -> int:
    """Where the body begins of the entity in ``raw[start:end]``: behind the first empty line.

    Without a header (the first line is no field) it is ``start``; without an empty line all of it is header.
    """
    if raw.startswith(b"\r\n", start, end):
        return start + 2
    if raw.startswith(b"\n", start, end):
        return start + 1
    first = start
    mbox = _MBOX_LINE.match(raw, start, end)
    if mbox is not None:
        first = mbox.end()
    if _STARTS_LIKE_A_FIELD.match(raw, first, end) is None:
        return start
    crlf = raw.find(b"\n\r\n", start, end)
    plain = raw.find(b"\n\n", start, end if crlf < 0 else crlf)
    if plain >= 0:
        return plain + 2
    return crlf + 3 if crlf >= 0 else end


def fields_of(raw: bytes, start: int, body_start: int) -> Fields:
    """Lower-case name → raw values in their order, of at most 1 MiB and 10,000 fields; a value is cut at 64 KiB."""
    found: Fields = {}
    for name, value in fields_in_order(raw, start, body_start):
        name = name.lower()
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    return found


def without_fields(raw: bytes, unwanted: Callable[[bytes, bytes], bool]) -> bytes:
    """``raw`` less the header fields of whose lower-case name and raw value ``unwanted`` is true."""
    kept: list[bytes] = []
    done = 0
    for field in _FIELD.finditer(raw, 0, body_offset(raw, 0, len(raw))):
        name, value = field.groups()
        if name is not None and unwanted(name.lower(), value):
            kept.append(raw[done : field.start()])
            done = field.end()
    kept.append(raw[done:])
    return b"".join(kept) if done else raw


def fields_in_order(raw: bytes, start: int, body_start: int) -> Iterator[tuple[bytes, bytes]]:
    """Each field's name as written and its raw value, folding still in it."""
    count = 0
    for field in _FIELD.finditer(raw, start, min(body_start, start + MAX_HEADER_BYTES)):
        name, value = field.groups()
        if name is None:
            continue
        count += 1
        if count > MAX_FIELDS:
            return
        yield name, value[:MAX_VALUE_BYTES]
