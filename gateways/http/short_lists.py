"""Pages of lists that are read whole: a cursor names the place of the last row shown, which may have gone meanwhile."""

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import msgspec

from gateways.http.operations import PagedRead
from projections.page import Place, decode_cursor, encode_cursor

T = TypeVar("T")


class ShortRead(PagedRead, frozen=True, kw_only=True):
    """A page of a list that as a rule fits into one: 1,000 rows where `limit` does not say less."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000


def page_of(
    rows: Iterable[T], asked: PagedRead, *, list_name: str, order: Callable[[T], tuple[int, str]]
) -> tuple[list[T], str | None]:
    """The rows of the page that is asked for, and the cursor of the next one.

    `order` gives what they are sorted by: minus a time (or seq), or 0, and an id.

    Raises: CursorInvalidError.
    """
    left = sorted(rows, key=order)
    if asked.cursor:
        after = decode_cursor(asked.cursor, list_name=list_name)
        left = [row for row in left if order(row) > (-after.at, after.key)]
    shown = left[: asked.limit]
    if len(left) == len(shown):
        return shown, None
    minus_at, key = order(shown[-1])
    return shown, encode_cursor(Place(-minus_at, key, list_name))
