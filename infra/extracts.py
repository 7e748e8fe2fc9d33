"""What one reading of an object gave, kept once per object and parser version: made again where it is missing."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import zstandard
from psycopg import Connection, Cursor

from gateways.mime.parse import parse
from gateways.mime.structure import PARSER_VERSION, ParsedMessage
from infra.postgres_queue import Connect

_STORE = (
    "INSERT INTO extracts (blob, parser, body) SELECT * FROM unnest(%s::text[], %s::integer[], %b::bytea[])"
    " AS n(blob, parser, body) ORDER BY n.blob ON CONFLICT DO NOTHING"
)
_FIND = "SELECT body FROM extracts WHERE blob = %s AND parser = %s"
_LEVEL = 1


class Extracts:
    """Gives what a message says, without opening its object where that was done before.

    `read` gives the whole message under an object's name, its holes filled.
    """

    def __init__(self, connect: Connect, read: Callable[[str], bytes]) -> None:
        self._connect = connect
        self._read = read

    def extract(self, blob: str) -> ParsedMessage:
        """What the message under this name says; stored now if it was not yet.

        Raises: what `read` raises where there is no such object.
        """
        with self._connect() as connection:
            found = connection.execute(_FIND, (blob, PARSER_VERSION), binary=True).fetchone()
        if found is not None:
            return unpacked(found[0])
        parsed = parse(self._read(blob))
        with self._connect() as connection, connection.transaction():
            store_extracts(connection, {blob: parsed})
        return parsed


def store_extracts(session: Connection[Any] | Cursor[Any], read: Mapping[str, ParsedMessage]) -> None:
    """Keep what was read of these objects, by name, within the caller's transaction. Safe to repeat."""
    if read:
        columns = (list(read), [parsed.parser for parsed in read.values()], [packed(p) for p in read.values()])
        session.execute(_STORE, columns)


def packed(parsed: ParsedMessage) -> bytes:
    """The stored form: msgpack, compressed by Zstandard (RFC 8878)."""
    return zstandard.compress(msgspec.msgpack.encode(parsed), _LEVEL)


def unpacked(stored: bytes) -> ParsedMessage:
    """What `packed` was given."""
    return msgspec.msgpack.decode(zstandard.decompress(stored), type=ParsedMessage)
