"""The words of an HTML body, for search, snippets and clients that show text only; linear and without a depth limit."""

import re
from functools import lru_cache
from html import unescape

MAX_HTML_CHARS = 2 << 20

_CACHED_CHARS = 100
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]*")
_HIDDEN = frozenset({"script", "style", "title", "template"})
_BLOCKS = (
    "address article aside blockquote br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li"
    " main nav ol option p pre section table tr ul"
)
_BREAKS = {slash + name: "\n" for name in _BLOCKS.split() for slash in ("", "/")} | {"td": " ", "th": " ", "img": " "}


def html_to_text(html: str) -> str:
    """The visible text in reading order, one line per block; what its element or a comment hides is left out."""
    head, *chunks = html[:MAX_HTML_CHARS].replace("\n", " ").split("<")
    out = [head]
    hidden = ""
    for chunk in chunks:
        if hidden:
            hidden, shown = _while_hidden(hidden, chunk)
            out.append(shown)
            continue
        if chunk.startswith("!--"):
            hidden, shown = _while_hidden("!--", chunk)
            out.append(shown)
            continue
        tag, _, text = chunk.partition(">")
        effect = _effect(tag) if len(tag) <= _CACHED_CHARS else _effect_of(tag)
        if effect is None:
            out.append("<" + chunk)  # a "<" that begins no tag is text
        elif effect in _HIDDEN:
            hidden = effect
        else:
            out.append(effect)
            out.append(text if tag.count('"') % 2 == 0 else _behind_quotes(text))
    lines = unescape("".join(out)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


def _effect_of(tag: str) -> str | None:
    """What a tag puts into the text, or the name of an element that hides what follows, or None for what is no tag."""
    found = _NAME.match(tag)
    if found is None:
        return "" if tag[:1] in ("!", "?", "/") else None
    name = found[0].lower()
    return name if name in _HIDDEN else _BREAKS.get(name, "")


_effect = lru_cache(maxsize=4096)(_effect_of)


def _behind_quotes(text: str) -> str:
    """The text behind a tag that a ">" inside an attribute's quotes has not ended."""
    return text.partition('"')[2].partition(">")[2] or text


def _while_hidden(hidden: str, chunk: str) -> tuple[str, str]:
    """What hides the next chunk, and what of this one shows."""
    if hidden == "!--":
        _, end, shown = chunk.partition("-->")
        return ("", shown) if end else (hidden, "")
    if chunk[: len(hidden) + 1].lower() == "/" + hidden:
        return "", chunk.partition(">")[2]
    return hidden, ""
