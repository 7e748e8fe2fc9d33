"""The search language: what people type in a mail search box, read into a `Query`.

Words side by side must all be found; `OR` between two binds closer than that, as Gmail has it: `a b OR c` is `a (b OR c)`.
A word that holds no letter or digit says nothing and is passed over. Days are UTC days. `k`, `m` and `g` are powers of
1,024. A prefix that is no operator (`http://…`, `12:30`) is text.
"""

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias, cast

from domain.search_matching import address_key
from domain.search_query import (
    SYSTEM_LABELS,
    AddressIs,
    AllOf,
    AnyOf,
    Everything,
    HasAttachment,
    HasKeyword,
    IsUnread,
    Labelled,
    LabelNamed,
    LargerThan,
    MessageIdIs,
    Node,
    Not,
    Nothing,
    Phrase,
    Query,
    ReceivedBefore,
    ReceivedSince,
    SmallerThan,
    TextField,
    label_key,
    message_id_key,
    resolve,
)
from domain.search_times import day_start_ms, moment_before_ms
from domain.words import wanted_words

__all__ = ["MAX_NESTING", "MAX_QUERY_CHARS", "MAX_TERMS", "Query", "QueryInvalidError", "parse", "resolve"]

MAX_QUERY_CHARS: Final = 2_000
MAX_TERMS: Final = 64
MAX_NESTING: Final = 20

_OPERATOR = re.compile(r"([A-Za-z][A-Za-z0-9_]*):\s*")
_BARE = re.compile(r'[^\s"()]+')
_SIZE = re.compile(r"(\d{1,12})([kmg]?)b?", re.IGNORECASE)
_UNIT_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_TEXT_FIELDS: Final = ("subject", "from", "to", "cc", "bcc", "filename")
_ADDRESS_FIELDS: Final = ("from", "to", "cc", "bcc")

_ANYWHERE: Final = "anywhere"
_STATES: Final[dict[str, Node]] = {
    "unread": IsUnread(),
    "read": Not(IsUnread()),
    "starred": HasKeyword("$flagged"),
    "answered": HasKeyword("$answered"),
    "forwarded": HasKeyword("$forwarded"),
    "draft": HasKeyword("$draft"),
}


class QueryInvalidError(ValueError):
    """The query cannot be read; `position` is the character (from 0) where that shows."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def parse(q: str, now_ms: int) -> Query:
    """What `q` asks for, `older_than:` and `newer_than:` counted from `now_ms`. Label paths are still to be resolved.

    Raises: QueryInvalidError.
    """
    if len(q) > MAX_QUERY_CHARS:
        raise QueryInvalidError(f"a query has at most {MAX_QUERY_CHARS} characters", MAX_QUERY_CHARS)
    _refuse_surrogates(q)
    reader = _Reader(q, now_ms)
    root = reader.alternatives("any", depth=0)
    if reader.position < len(q):
        raise QueryInvalidError("a ) that closes nothing", reader.position)
    if root is None:
        root = Nothing() if q.strip() else Everything()
    return Query(root, reader.anywhere)


def _refuse_surrogates(q: str) -> None:
    try:
        q.encode()
    except UnicodeEncodeError as error:
        raise QueryInvalidError("a character that is not Unicode text", error.start) from None
