"""IMAP flags in a script (RFC 5232) and the keywords that a message bears for them."""

from collections.abc import Iterable

from domain import keywords
from domain.refusals import KeywordInvalidError

MAX_FLAGS = 100
_SYSTEM = {"\\seen": "$seen", "\\flagged": "$flagged", "\\answered": "$answered"}


def words(texts: Iterable[str]) -> tuple[str, ...]:
    """The flags that these strings list, separated by spaces, each once ignoring case (section 2)."""
    found: dict[str, str] = {}
    for text in texts:
        for word in text.split():
            if len(found) < MAX_FLAGS:
                found.setdefault(word.lower(), word)
    return tuple(found.values())


def without(flags: Iterable[str], gone: Iterable[str]) -> tuple[str, ...]:
    """The flags less others, ignoring case."""
    lower = {flag.lower() for flag in gone}
    return tuple(flag for flag in flags if flag.lower() not in lower)


def keywords_for(flags: Iterable[str]) -> tuple[str, ...]:
    """What a message bears for these flags; what can be no keyword (\\Deleted, \\Draft, no atom) is left out."""
    found: list[str] = []
    for flag in flags:
        word = _SYSTEM.get(flag.lower(), flag.lower())
        try:
            found += keywords.changeable([word])
        except KeywordInvalidError:
            continue
    return tuple(dict.fromkeys(found))[: keywords.MAX_KEYWORDS]
