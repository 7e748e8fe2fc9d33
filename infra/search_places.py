"""Places in the list of what a search found: newest `listed_at` first, then the greater message id."""

import re
from typing import Final, NamedTuple

from domain.ids import MessageId
from projections.search import SearchCursorInvalidError

_CURSOR: Final = re.compile(r"(-?\d{1,18})\.([A-Za-z0-9_-]{1,64})", re.ASCII)


class Place(NamedTuple):
    """Where a message stands in the order of the list."""

    listed_at: int
    message_id: MessageId


def write_cursor(last: Place) -> str:
    """The cursor of the page after this place."""
    return f"{last.listed_at}.{last.message_id}"


def read_cursor(cursor: str) -> Place:
    """The place after which the page begins. Raises: SearchCursorInvalidError."""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise SearchCursorInvalidError("this cursor was not given by a search")
    return Place(int(parts[1]), MessageId(parts[2]))
