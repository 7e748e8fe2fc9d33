"""Whether a value matches a key: comparators (RFC 4790), match types (RFC 5228 section 2.7), relations (RFC 5231)."""

import operator
import re
import string
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from gateways.sieve.nodes import Match

MAX_STEPS = 50_000
"""Of one run; a step is a node, or the comparing of some thousand characters."""
CHARS_A_STEP = 1_000
CHARS_A_PATTERN_CHAR = 100
"""A pattern is read anew for each message, which costs so much more than comparing."""

_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
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

    def spend(self, chars: int = 0) -> None:
        """One step, and those that so many characters cost.

        Raises: TooMuchError
        """
        self.left -= 1 + chars // CHARS_A_STEP
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
        budget.spend(len(value) * (1 + key.count("?")) + len(key) * CHARS_A_PATTERN_CHAR)
        return _glob(_folded(key, match), value, folded)
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
    return text.translate(_FOLD) if match.comparator == "i;ascii-casemap" else text


def _glob(pattern: str, value: str, folded: str) -> Sequence[str] | None:
    """The whole and what each wildcard stands for, each as short as can be, as `value` writes it.

    Piece by piece between the stars, each at its first place: no pattern makes it go back.
    """
    pieces = _pieces(pattern)
    at, spans = 0, []
    for place, piece in enumerate(pieces):
        if place == len(pieces) - 1 and place > 0:
            found = piece.match(folded, max(len(folded) - _width(piece), at))
            found = found if found is not None and found.end() == len(folded) else None
        else:
            found = piece.match(folded, at) if place == 0 else piece.search(folded, at)
        if found is None:
            return None
        if place:
            spans.append((at, found.start()))
        spans += [found.span(group) for group in range(1, (piece.groups or 0) + 1)]
        at = found.end()
    if at != len(folded):
        return None
    return (value, *(value[start:end] for start, end in spans))


@lru_cache(maxsize=512)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    """What stands between the stars; a question mark is any one character, a backslash makes the next one plain."""
    pieces, current, at = [], "", 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            current += re.escape(pattern[at])
        elif char == "*":
            pieces.append(current)
            current = ""
        else:
            current += "(.)" if char == "?" else re.escape(char)
        at += 1
    return tuple(re.compile(piece, re.DOTALL) for piece in (*pieces, current))


def _width(piece: re.Pattern[str]) -> int:
    """How many characters a piece takes."""
    return len(re.sub(r"\\(.)", "x", piece.pattern.replace("(.)", "x"), flags=re.DOTALL))
