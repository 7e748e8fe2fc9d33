"""Arrays as Postgres literals (manual, section 8.15.6): far cheaper than adapting item by item, which would be most of
what a gathered append spends on its parameters."""

from collections.abc import Iterable, Sequence


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
