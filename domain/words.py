"""What a word is to a search: how text is folded and split, the same for documents and for queries.

Folding is case-folding without accents over compatibility forms (Unicode NFKC), so that "Café", "CAFE" and their
full-width forms are one word. Words are runs of letters and digits; a pictograph is a word. Scripts written without
spaces (Han, kana, and Hangul) are indexed by overlapping pairs of characters and then the last character alone, so that
any substring is a phrase of pairs, or the beginning of one.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MAX_WORD_CHARS: Final = 64
"""A longer word counts as its first characters."""
MAX_TEXT_CHARS: Final = 250_000
"""What comes after that much text is not searched."""

_JAMO = "\u1100-\u11ff"
_PAIRED = (
    "\u3005-\u3007\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_PICTOGRAPHS = "\u2600-\u27bf\U0001f000-\U0001faff"
_ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
)
_INVISIBLE = "\u00ad\u034f\u200c\u200d\u2060\ufeff"
_MARK_RANGES = (range(0x300, 0x3100), range(0xA600, 0xAC00), range(0xFE00, 0xFE30))
_MARKS = "".join(
    chr(code) for codes in _MARK_RANGES for code in codes if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")
)
_LETTER = rf"[^\W_{_PAIRED}]"

_DROPPED = re.compile(f"[{_ACCENTS}{_INVISIBLE}]+")
_SPACED_WORD = rf"{_LETTER}+(?:[{_MARKS}]+{_LETTER}*)*|[{_PICTOGRAPHS}]"

_ASCII_WORDS = bytes(byte if chr(byte).isascii() and chr(byte).isalnum() else ord(" ") for byte in range(256))
"""For `bytes.translate`: a space for everything that stands between words."""
_OUTLINE = bytes(ord(" ") if chr(byte) == " " else ord("x") for byte in range(256))
_LONG_WORD = b"x" * (MAX_WORD_CHARS + 1)
_WITHOUT_SPACES = re.compile(f"[{_PAIRED}]")
_SPACED = re.compile(_SPACED_WORD)
_RUN = re.compile(rf"([{_PAIRED}]+)|{_SPACED_WORD}")
_CLUSTER = re.compile(rf".[{_MARKS}{_INVISIBLE}{_JAMO}\uff9e\uff9f]*", re.DOTALL)
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)


def fold(text: str) -> str:
    """The text without case, accents, compatibility forms and invisible characters."""
    if text.isascii():
        return text.lower()
    folded = _DROPPED.sub("", unicodedata.normalize("NFKD", text)).casefold()
    if folded.isascii():
        return folded
    folded = _DROPPED.sub("", unicodedata.normalize("NFKD", folded))
    return unicodedata.normalize("NFC", folded.translate(_UNDECOMPOSED))


def words(text: str) -> list[str]:
    """The words of a document's text in their order; each position in the list is one position of a phrase."""
    return spaced_words(text).split()


def spaced_words(text: str, tag: str = "") -> str:
    """The same words in one text, each with the tag before it, and a space between one and the next."""
    folded = fold(text[:MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]
    if folded.isascii():
        found = f" {tag}".encode().join(_ascii_words(folded.encode())).decode()
    elif _WITHOUT_SPACES.search(folded) is None:
        found = f" {tag}".join([word[:MAX_WORD_CHARS] for word in _SPACED.findall(folded)])
    else:
        found = f" {tag}".join([word for word, _, _ in _split(folded)])
    return tag + found if found else ""


def _ascii_words(folded: bytes) -> list[bytes]:
    """The words of folded text, without a look at each where none is too long."""
    spaced = folded.translate(_ASCII_WORDS)
    found = spaced.split()
    return [word[:MAX_WORD_CHARS] for word in found] if _LONG_WORD in spaced.translate(_OUTLINE) else found


def wanted_words(text: str) -> tuple[tuple[str, ...], bool]:
    """The words of a piece of a query, and whether the last one is only the beginning of what to find.

    That is so for one character of a script written without spaces.
    """
    folded = fold(text)
    found = list(_split(folded))
    if len(found) > 1 and found[-2][2] == found[-1][2]:
        found.pop()
    open_ended = bool(found) and re.fullmatch(f"[{_PAIRED}]", found[-1][0]) is not None
    return tuple(word for word, _, _ in found), open_ended


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """Each word of a text with the part of the text (start, end) that it comes from."""
    if text.isascii():
        return list(_split(text.lower()))
    pieces: list[str] = []
    origins: list[tuple[int, int]] = []
    for cluster in _CLUSTER.finditer(text):
        piece = fold(cluster[0])
        pieces.append(piece)
        origins.extend([cluster.span()] * len(piece))
    return [(word, origins[start][0], origins[end - 1][1]) for word, start, end in _split("".join(pieces))]


def _split(folded: str) -> Iterator[tuple[str, int, int]]:
    for run in _RUN.finditer(folded):
        if run[1] is None:
            yield run[0][:MAX_WORD_CHARS], run.start(), run.end()
        else:
            for start in range(run.start(), run.end()):
                end = min(start + 2, run.end())
                yield folded[start:end], start, end
