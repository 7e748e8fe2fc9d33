"""Where a message says what was searched for: subject and text with the words marked, ready for a page of hits."""

import html
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from domain.search_query import AllOf, AnyOf, Node, Phrase, Query
from domain.words import word_spans

MAX_HIGHLIGHTED_CHARS: Final = 20_000
"""What comes after that much text is not looked at."""
EXCERPT_CHARS: Final = 200
_LEAD_CHARS: Final = 40


class Highlights(msgspec.Struct, frozen=True):
    """HTML with everything escaped but `<mark>`; None where nothing is marked. `text` is an excerpt."""

    subject: str | None = None
    text: str | None = None


def highlight(query: Query, subject: str, text: str) -> Highlights:
    """What of subject and text the query's words found; what it excludes is not marked."""
    phrases = list(_wanted(query.root))
    return Highlights(
        subject=_marked_whole(subject[:MAX_HIGHLIGHTED_CHARS], [p for p in phrases if p.field in ("any", "subject")]),
        text=_marked_excerpt(text[:MAX_HIGHLIGHTED_CHARS], [p for p in phrases if p.field == "any"]),
    )


def _wanted(node: Node) -> Iterator[Phrase]:
    if isinstance(node, Phrase):
        yield node
    elif isinstance(node, AllOf | AnyOf):
        for part in node.parts:
            yield from _wanted(part)


def _marked_whole(text: str, phrases: Iterable[Phrase]) -> str | None:
    ranges = _found_ranges(text, phrases)
    return _markup(text, ranges, 0, len(text)) if ranges else None


def _marked_excerpt(text: str, phrases: Iterable[Phrase]) -> str | None:
    ranges = _found_ranges(text, phrases)
    if not ranges:
        return None
    start = max(0, ranges[0][0] - _LEAD_CHARS)
    if start:
        start = _after_space(text, start, ranges[0][0])
    end = min(len(text), max(start + EXCERPT_CHARS, ranges[0][1]))
    shown = _markup(text, ranges, start, end)
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def _after_space(text: str, start: int, limit: int) -> int:
    space = text.find(" ", start, limit)
    return start if space < 0 else space + 1


def _found_ranges(text: str, phrases: Iterable[Phrase]) -> list[tuple[int, int]]:
    """The parts of the text that say one of the phrases: sorted, joined where they touch each other."""
    spans = word_spans(text)
    words = [word for word, _, _ in spans]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        places.setdefault(word, []).append(place)
    found = sorted(
        (spans[first][1], spans[last][2]) for phrase in phrases for first, last in _occurrences(phrase, words, places)
    )
    return list(_joined(found))


def _occurrences(phrase: Phrase, words: list[str], places: dict[str, list[int]]) -> Iterator[tuple[int, int]]:
    *first, last = phrase.words
    starts: Iterable[int] = places.get(first[0], ()) if first else _ends(phrase, places)
    for start in starts:
        end = start + len(first)
        if end < len(words) and words[start:end] == first and _is_end(phrase, words[end], last):
            yield start, end


def _ends(phrase: Phrase, places: dict[str, list[int]]) -> Iterator[int]:
    if not phrase.open_ended:
        yield from places.get(phrase.words[-1], ())
        return
    for word, found in places.items():
        if word.startswith(phrase.words[-1]):
            yield from found


def _is_end(phrase: Phrase, word: str, last: str) -> bool:
    return word.startswith(last) if phrase.open_ended else word == last


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for start, end in ranges:
        if current is not None and start < current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    if current is not None:
        yield current


def _markup(text: str, ranges: list[tuple[int, int]], start: int, end: int) -> str:
    pieces: list[str] = []
    position = start
    for found_start, found_end in ranges[: bisect_right(ranges, (end, end))]:
        shown_end = min(found_end, end)
        if found_start >= end or shown_end <= position:
            continue
        pieces += [html.escape(text[position:found_start]), f"<mark>{html.escape(text[found_start:shown_end])}</mark>"]
        position = shown_end
    return "".join([*pieces, html.escape(text[position:end])])
