"""Arrays as Postgres reads them, texts and numbers as literals (manual, section 8.15.6), octets in the binary format:
far cheaper than adapting item by item, which would be most of what a gathered append spends on its parameters."""

import struct
from collections.abc import Iterable, Sequence

_BYTEA = 17
"""The type's oid, the same in every database."""
_ARRAY = struct.Struct("!5i")
_LENGTH = struct.Struct("!i").pack


def texts(values: Sequence[str]) -> str:
    """A `text[]` literal: every item quoted, backslashes and quotes in it escaped."""
    if not values:
        return "{}"
    joined = "\n".join(values)
    if "\\" in joined or '"' in joined:
        values = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(values) + '"}'


def numbers(values: Iterable[int]) -> str:
    """A literal of any integer array type."""
    return "{" + ",".join(map(str, values)) + "}"


def octets(values: Sequence[bytes]) -> bytes:
    """A `bytea[]` in the binary format: dimensions, nulls or none, item type, count, first index; then the items."""
    if not values:
        return struct.pack("!3i", 0, 0, _BYTEA)
    parts = [_ARRAY.pack(1, 0, _BYTEA, len(values), 1)]
    for value in values:
        parts += (_LENGTH(len(value)), value)
    return b"".join(parts)
