"""What a keyword is: lower case, 1 to 255 octets of RFC 9051 atom characters, at most 100 a message."""

import re
from collections.abc import Iterable

from domain.refusals import KeywordInvalidError

MAX_OCTETS = 255
MAX_KEYWORDS = 100
DRAFT, SEEN, JUNK, NOT_JUNK = "$draft", "$seen", "$junk", "$notjunk"

_ATOM = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,255}")
"""RFC 9051 section 9, ATOM-CHAR: printable ASCII without space and ( ) { % * " \\ ]."""
_NEVER = frozenset({"$deleted", "$recent"})
"""IMAP's \\Deleted belongs to a membership and \\Recent to a session (RFC 9051 section 2.3.2): neither is a keyword."""


def keywords_of(texts: Iterable[str]) -> frozenset[str]:
    """The keywords in lower case.

    Raises:
        KeywordInvalidError: one of them is no keyword, or there are more than a message may have.
    """
    found = frozenset(_keyword(text) for text in texts)
    require_few(found)
    return found


def changeable(texts: Iterable[str]) -> frozenset[str]:
    """The keywords in lower case, of which the owner may add and remove any: `$draft` is not among those.

    Raises:
        KeywordInvalidError: as `keywords_of`, and for `$draft`, which saving and sending give and take.
    """
    found = keywords_of(texts)
    if DRAFT in found:
        raise KeywordInvalidError("$draft is given by saving a draft and taken by sending it", keyword=DRAFT)
    return found


def require_few(keywords: frozenset[str]) -> None:
    """At most 100 keywords stand on one message.

    Raises:
        KeywordInvalidError: there are more.
    """
    if len(keywords) > MAX_KEYWORDS:
        raise KeywordInvalidError(f"a message has at most {MAX_KEYWORDS} keywords")


def _keyword(text: str) -> str:
    if not _ATOM.fullmatch(text) or text.lower() in _NEVER:
        raise KeywordInvalidError("a keyword is 1 to 255 RFC 9051 atom characters", keyword=text[:MAX_OCTETS])
    return text.lower()
