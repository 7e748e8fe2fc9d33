"""The base subject of RFC 5256 section 2.1: what is left of a subject without its reply and forward marks."""

import re

_SPACE = re.compile(r"\s+")
_BLOB = re.compile(r"\[[^\[\]]*\]\s*")
_LEADER = re.compile(r"(?:\[[^\[\]]*\]\s*)*(?:re|fwd?)\s*(?:\[[^\[\]]*\]\s*)?:\s*", re.IGNORECASE)
_WRAPPED = re.compile(r"\[fwd:(.*)\]", re.IGNORECASE | re.DOTALL)
_TRAILER = "(fwd)"
_MAX_CHARS = 2_000
_MAX_WRAPS = 100


def base_subject(subject: str) -> tuple[str, bool]:
    """The subject without "Re:", "Fwd:", "[list]" and "(fwd)", and whether a reply or forward mark was among them.

    Case stays as it was; compare with ``casefold``. Time is linear, and only the first 2,000 characters are considered.
    """
    text = _SPACE.sub(" ", subject[:_MAX_CHARS]).strip()
    marked = False
    for _ in range(_MAX_WRAPS):
        text, trailed = _without_trailers(text)
        text, led = _without_leaders(text)
        marked = marked or trailed or led
        wrapped = _WRAPPED.fullmatch(text)
        if wrapped is None:
            break
        text, marked = wrapped[1].strip(), True
    return text, marked


def _without_trailers(text: str) -> tuple[str, bool]:
    """Step 2 of RFC 5256: trailing "(fwd)" and white space go."""
    found = False
    while text[-len(_TRAILER) :].lower() == _TRAILER:
        text, found = text[: -len(_TRAILER)].rstrip(), True
    return text, found


def _without_leaders(text: str) -> tuple[str, bool]:
    """Steps 3 to 5: leading "Re:" and "[blob]" go, a blob only where something is left behind it."""
    start, found = 0, False
    while True:
        leader = _LEADER.match(text, start)
        if leader is not None:
            start, found = leader.end(), True
            continue
        blob = _BLOB.match(text, start)
        if blob is None or blob.end() == len(text):
            return text[start:], found
        start = blob.end()
