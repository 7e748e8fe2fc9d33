"""Pages of lists: an opaque cursor that names the last row shown, never an offset."""

import base64
import binascii

import msgspec


class CursorInvalidError(Exception):
    """The cursor is none that this service gave out for this list."""


class Page(msgspec.Struct, frozen=True):
    """A page of JSON objects, ready to be sent, and the cursor of the next page (null on the last)."""

    rows: tuple[bytes, ...]
    cursor: str | None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the sort time (unix milliseconds) and the id of its last row, and which list it was."""

    at: int
    key: str
    list_name: str


def encode_cursor(place: Place) -> str:
    """The opaque form of a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str, *, list_name: str) -> Place:
    """The place that a cursor of this list names.

    Raises:
        CursorInvalidError: garbled, or of another list.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Place)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise CursorInvalidError("the cursor is not one that this service gave out") from error
    if place.list_name != list_name or not 0 <= place.at < 2**62 or len(place.key) > 64 or "\0" in place.key:
        raise CursorInvalidError("the cursor belongs to another list")
    return place
