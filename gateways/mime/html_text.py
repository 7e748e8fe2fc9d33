"""The words of an HTML body, for search, snippets and clients that show text only; linear and without a depth limit."""

import re
from html import unescape

MAX_HTML_CHARS = 2 << 20

_TAG = re.compile(
    r"<(?:!--(?:.*?-->)?|(/?)([a-zA-Z][a-zA-Z0-9]*)(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>?|[!?][^>]*>?)", re.DOTALL
)
_HIDDEN = frozenset({"script", "style", "title", "template", "noscript", "head"})
_BREAKING = frozenset(
    "address article aside blockquote br center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav"
    " ol option p pre section table tr ul".split()
)
_LINES = re.compile(r"[ \t\xa0\r\f\v]*\n\s*")
_BLANKS = re.compile(r"[ \t\xa0\r\f\v]+")


def html_to_text(html: str) -> str:
    """The visible text in reading order, one line per block; what is hidden by its element is left out."""
    source = html[:MAX_HTML_CHARS]
    out: list[str] = []
    end, hidden = 0, ""
    for tag in _TAG.finditer(source):
        if not hidden:
            out.append(_BLANKS.sub(" ", source[end : tag.start()].replace("\n", " ")))
        end = tag.end()
        name = (tag[2] or "").lower()
        if name in _HIDDEN:
            hidden = _hidden_after(hidden, name, closing=tag[1] == "/")
        elif hidden == "head" and name == "body":
            hidden = ""
        elif not hidden:
            out.append("\n" if name in _BREAKING else "\t" if name in ("td", "th") else "")
    if not hidden:
        out.append(_BLANKS.sub(" ", source[end:].replace("\n", " ")))
    text = _LINES.sub("\n", unescape("".join(out)))
    return _BLANKS.sub(" ", text).strip()


def _hidden_after(hidden: str, name: str, *, closing: bool) -> str:
    if closing:
        return "" if hidden == name else hidden
    return hidden or name
