"""Whether a value matches a key: comparators (RFC 4790), match types (RFC 5228 section 2.7), relations (RFC 5231)."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence

from gateways.sieve.nodes import Match
from gateways.sieve.wildcards import matched

MAX_STEPS = 50_000
"""Of one run; a step is a node, or the comparing of some thousand characters."""
CHARS_A_STEP = 1_000
CHARS_A_PATTERN_CHAR = 100
"""A long pattern is read anew for each message, which costs so much more than comparing."""

_KEPT = "surrogatepass"
_DIGITS = re.compile(r"[0-9]{1,18}")
_RELATIONS: Mapping[str, Callable[[object, object], bool]] = {
    name: getattr(operator, name) for name in ("gt", "ge", "lt", "le", "eq", "ne")
}


class TooMuchError(Exception):
    """A run takes more than it may."""


class Budget:
    """The steps that a run has left."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps
        self._chars = 0

    def spend(self, chars: int = 0) -> None:
        """One step, and those that so many characters cost.

        Raises: TooMuchError
        """
        self.left -= 1
        self.pay(chars)

    def pay(self, chars: int) -> None:
        """The steps that so many characters cost; what is less than one is kept in mind.

        Raises: TooMuchError
        """
        steps, self._chars = divmod(self._chars + chars, CHARS_A_STEP)
        self.left -= steps
        if self.left < 0:
            raise TooMuchError("the rules take too long on this message")


def holds(match: Match, values: Sequence[str], keys: Sequence[str], budget: Budget) -> Sequence[str] | None:
    """What the wildcards of the first pattern that matches stand for, the whole first (RFC 5229 section 3.2).

    Empty for a match of another kind; null where no value matches any key.
    """
    if match.kind == "count":
        return () if any(_related(match, str(len(values)), key) for key in keys) else None
    for value in values:
        folded = _folded(value, match)
        for key in keys:
            found = _one(match, value, folded, key, budget)
            if found is not None:
                return found
    return None


def _one(match: Match, value: str, folded: str, key: str, budget: Budget) -> Sequence[str] | None:
    if match.kind == "matches":
        budget.spend(len(value) + len(key) * CHARS_A_PATTERN_CHAR)
        spans = matched(_folded(key, match), folded, budget)
        return None if spans is None else (value, *(value[start:end] for start, end in spans))
    budget.spend(len(value) + len(key))
    if match.kind == "contains":
        return () if _folded(key, match) in folded else None
    if match.kind == "value":
        return () if _related(match, value, key) else None
    return () if _comparable(value, match) == _comparable(key, match) else None


def _related(match: Match, value: str, key: str) -> bool:
    return _RELATIONS[match.relation](_comparable(value, match), _comparable(key, match))


def _comparable(text: str, match: Match) -> str | float:
    """What the comparator goes by: of numbers the leading digits, and none is above all (RFC 4790 section 9.1)."""
    if match.comparator != "i;ascii-numeric":
        return _folded(text, match)
    found = _DIGITS.match(text)
    return float("inf") if found is None else int(found[0])


def _folded(text: str, match: Match) -> str:
    """ASCII letters alone become small (RFC 4790 section 9.2), which octets do twenty times as fast as characters."""
    if match.comparator != "i;ascii-casemap":
        return text
    return text.lower() if text.isascii() else text.encode("utf-8", _KEPT).lower().decode("utf-8", _KEPT)
