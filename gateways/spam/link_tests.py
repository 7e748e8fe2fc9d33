"""What rules ask of a message's links."""

import re

from gateways.spam.letter import Letter

_NUMBER = re.compile(
    r"://(?:[^@/\s]{0,100}@)?(?:\d{1,3}(?:\.\d{1,3}){3}|0x[0-9a-f]+|\d{6,})(?:[:/?#]|$)", re.IGNORECASE
)
_OBSCURE = re.compile(
    r"://(?:[^/?#\s]{0,200}%[0-9a-f]{2}|[^/?#\s@]{1,200}@|[^/?#]{1,200}:(?!80\b|443\b|8080\b)\d+)", re.IGNORECASE
)
_ANCHOR = re.compile(
    r"<a\b[^<>]{0,300}?\bhref\s*+=\s*+[\"']?+https?://([^\s\"'<>/?#]{1,200}+)[^<>]{0,1000}+>\s*+"
    r"(?:<[^<>]{0,100}+>\s*+){0,3}+https?://([^\s\"'<>/?#]{1,200}+)",
    re.IGNORECASE,
)
"""What was taken is never given back: where a letter ends a match no shorter one could begin."""


def links_to_number(letter: Letter) -> bool:
    """A host without a name."""
    return any(_NUMBER.match(url) for url in letter.urls)


def obscures_link(letter: Letter) -> bool:
    """A host percent-encoded, behind a user's name, or at a port that no reader expects."""
    return any(_OBSCURE.match(url) for url in letter.urls)


def disguises_link(letter: Letter) -> bool:
    """The text of a link is the address of another site."""
    if "href" not in letter.html and "HREF" not in letter.html:
        return False
    return any(_site(leads) != _site(shows) for leads, shows in _ANCHOR.findall(letter.html[:32_768]))


def _site(host: str) -> str:
    return ".".join(host.lower().rpartition("@")[2].partition(":")[0].split(".")[-2:])
