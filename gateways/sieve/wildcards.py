"""The wildcards of `:matches` (RFC 5228 section 2.7.1): `*` any text, `?` any one character, `\\` the next one plain.

A pattern is matched piece by piece between its stars, each at its first place, so that it never goes back. Of a piece
with question marks the longest plain run is looked for, and the others are held against what stands around it; every
place that is tried so is paid for: what a stranger's mail and an owner's pattern make of each other has a bound.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

REMEMBERED_CHARS = 200
"""Patterns of at most so many characters are read once; longer ones are seldom, and many of them would be large."""
CHARS_A_RUN = 20
"""What a run that is held against a place costs, beside its characters."""
TRIES_AT_ONCE = 50
_WORD = re.compile(r"\\(.)|([*?])|([^\\*?]+|\\)", re.DOTALL)
Span = tuple[int, int]


class Purse(Protocol):
    """Pays for what is compared."""

    def pay(self, chars: int) -> None:
        """So many characters. Raises: TooMuchError."""
        ...


class Piece(NamedTuple):
    """What stands between two stars: runs of plain text, one question mark between each of them and the next.

    The longest is `runs[anchor]`, `offset` characters behind the beginning of the piece.
    """

    runs: tuple[str, ...]
    anchor: int
    offset: int
    width: int

    def is_at(self, text: str, at: int) -> bool:
        """Whether the piece stands there."""
        if at < 0 or at + self.width > len(text):
            return False
        for run in self.runs:
            if not text.startswith(run, at):
                return False
            at += len(run) + 1
        return True

    def first(self, text: str, start: int, purse: Purse) -> int:
        """The first place from `start` on where the piece stands; -1 where there is none.

        Raises: TooMuchError
        """
        if len(self.runs) == 1:
            return text.find(self.runs[0], start)
        tries, anchor = 0, self.runs[self.anchor]
        at = text.find(anchor, start + self.offset)
        while at >= 0 and not self.is_at(text, at - self.offset):
            at = text.find(anchor, at + 1)
            tries += 1
            if tries % TRIES_AT_ONCE == 0:
                purse.pay(TRIES_AT_ONCE * (self.width + CHARS_A_RUN * len(self.runs)))
        return at - self.offset if at >= 0 else -1

    def single(self, at: int) -> Iterator[Span]:
        """Where its question marks stand, if it begins there."""
        for before, _after in pairwise(self.runs):
            at += len(before)
            yield at, at + 1
            at += 1


def matched(pattern: str, text: str, purse: Purse) -> list[Span] | None:
    """What each wildcard stands for, each as short as can be; None where the pattern does not match the whole text.

    Raises: TooMuchError
    """
    pieces = _remembered(pattern) if len(pattern) <= REMEMBERED_CHARS else _read(pattern)
    first, last = pieces[0], pieces[-1]
    if not first.is_at(text, 0) or (len(pieces) == 1 and first.width != len(text)):
        return None
    spans, at = list(first.single(0)), first.width
    for piece in pieces[1:]:
        found = piece.first(text, at, purse) if piece is not last else _at_end(piece, text, at)
        if found < 0:
            return None
        spans += [(at, found), *piece.single(found)]
        at = found + piece.width
    return spans


def _at_end(piece: Piece, text: str, at: int) -> int:
    place = len(text) - piece.width
    return place if place >= at and piece.is_at(text, place) else -1


def _read(pattern: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    runs: list[list[str]] = [[]]
    for word in _WORD.finditer(pattern):
        if word[2] == "*":
            pieces.append(_piece(runs))
            runs = [[]]
        elif word[2]:
            runs.append([])
        else:
            runs[-1].append(word[1] if word[1] is not None else word[3])
    return (*pieces, _piece(runs))


_remembered = lru_cache(maxsize=512)(_read)


def _piece(words: Sequence[Sequence[str]]) -> Piece:
    runs = tuple("".join(run) for run in words)
    anchor = max(range(len(runs)), key=lambda place: len(runs[place]))
    offset = sum(len(run) + 1 for run in runs[:anchor])
    return Piece(runs, anchor, offset, sum(map(len, runs)) + len(runs) - 1)
