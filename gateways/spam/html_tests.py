"""What rules ask of a message's HTML, in small letters. Every pattern is linear in what it reads, and is asked where a
plain search for its words, which takes a tenth of the time, has not said no.
"""

import re

from gateways.spam.letter import Letter

_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:\.\d)?(?:px|pt|em|%)?\s*[;\"']"
    r"|<font[^<>]{0,80}\bsize\s*=\s*[\"']?-[2-9]|opacity\s*:\s*0\s*[;\"']",
)
_WHITE = re.compile(r"<font[^<>]{0,80}\bcolor\s*=\s*[\"']?(?:#?f{6}|white)\b")
_SPLIT = re.compile(r"[a-z]<(?:!--?[^<>]{0,60}-?-?|/?[bcdfghjklmnqrstvwxyz]{4,20}|[a-z]{1,3}></[a-z]{1,3})>[a-z]")
_IMAGE = re.compile(r"<img\b")
_SCRIPT = re.compile(r"<script\b|\bon(?:load|error|mouseover)\s*=|javascript:")
_FORM = re.compile(r"<form\b|<input\b")
_GLARING = re.compile(r"<font[^<>]{0,80}\bsize\s*=\s*[\"']?\+?[4-7]|color\s*=\s*[\"']?(?:#?ff0000|red)\b|<h1\b|<blink")
_HIDING = ("display", "visibility", "font-size", "opacity", "<font")
_SCRIPTING = ("<script", "javascript:", "onload", "onerror", "onmouseover")
_FORMING = ("<form", "<input")
_COLOURING = ("<font", "color", "<h1", "<blink")
MIN_SPLITS = 3
MIN_GLARING = 3
MAX_PICTURE_CHARS = 150


def hides_text(letter: Letter) -> bool:
    """Text that a style hides, or of the colour of paper."""
    html = letter.small_html
    return _names(_HIDING, letter) and (_HIDDEN.search(html) is not None or len(_WHITE.findall(html)) >= MIN_SPLITS)


def splits_words(letter: Letter) -> bool:
    """`via<!-- x -->gra`, more than once."""
    return bool(letter.html) and len(_SPLIT.findall(letter.small_html)) >= MIN_SPLITS


def is_only_pictures(letter: Letter) -> bool:
    """Pictures, and hardly a sentence in any part."""
    return len(letter.text) < MAX_PICTURE_CHARS and _IMAGE.search(letter.small_html) is not None


def holds_script(letter: Letter) -> bool:
    """A script, which no reader runs."""
    return _names(_SCRIPTING, letter) and _SCRIPT.search(letter.small_html) is not None


def holds_form(letter: Letter) -> bool:
    """A form, such as one for a password."""
    return _names(_FORMING, letter) and _FORM.search(letter.small_html) is not None


def is_glaring(letter: Letter) -> bool:
    """Large or red letters, again and again."""
    return _names(_COLOURING, letter) and len(_GLARING.findall(letter.small_html)) >= MIN_GLARING


def _names(words: tuple[str, ...], letter: Letter) -> bool:
    html = letter.small_html
    return any(word in html for word in words)
