"""What each operator of the search language asks for: `is:unread`, `larger:5m`, `from:alice@example.com` and so on."""

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from domain.search_matching import address_key
from domain.search_query import (
    SYSTEM_LABELS,
    AddressIs,
    HasAttachment,
    HasKeyword,
    IsUnread,
    Labelled,
    LabelNamed,
    LargerThan,
    MessageIdIs,
    Node,
    Not,
    Phrase,
    ReceivedBefore,
    ReceivedSince,
    SmallerThan,
    TextField,
    label_key,
    message_id_key,
)
from domain.search_times import day_start_ms, moment_before_ms
from domain.words import wanted_words

Asked: TypeAlias = Callable[[str, int], Node]
"""From an operator's value and the moment now (unix milliseconds) to what it asks for. Raises: ValueError."""

_AddressField: TypeAlias = Literal["from", "to", "cc", "bcc"]

TEXT_FIELDS: Final[dict[str, TextField]] = {
    "subject": "subject",
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "filename": "filename",
}
"""The operators that look for words, by name."""

_ADDRESS_FIELDS: Final[dict[TextField, _AddressField]] = {"from": "from", "to": "to", "cc": "cc", "bcc": "bcc"}

_STATES: Final[dict[str, Node]] = {
    "unread": IsUnread(),
    "read": Not(IsUnread()),
    "starred": HasKeyword("$flagged"),
    "answered": HasKeyword("$answered"),
    "forwarded": HasKeyword("$forwarded"),
    "draft": HasKeyword("$draft"),
}

_SIZE = re.compile(r"(\d{1,12})([kmg]?)b?", re.ASCII | re.IGNORECASE)
_UNIT_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def bare_text(value: str, field: TextField) -> Node | None:
    """An unquoted word in a field, `word*` for what begins so; None where it holds no letter or digit."""
    address_field = _ADDRESS_FIELDS.get(field)
    if address_field and len(value) > 1 and "@" in value and not value.endswith("*"):
        return AddressIs(address_field, address_key(value.removeprefix("<").removesuffix(">")))
    found, open_ended = wanted_words(value)
    return Phrase(field, found, open_ended or value.endswith("*")) if found else None


def quoted_text(value: str, field: TextField) -> Node | None:
    """A phrase in a field; None where it holds no letter or digit."""
    found, open_ended = wanted_words(value)
    return Phrase(field, found, open_ended) if found else None


def _state(value: str, _: int) -> Node:
    state = _STATES.get(value.lower())
    if state is None:
        raise ValueError(f"is: knows {', '.join(_STATES)}")
    return state


def _possession(value: str, _: int) -> Node:
    if value.lower() not in ("attachment", "attachments"):
        raise ValueError("has: knows attachment")
    return HasAttachment()


def _label(value: str, _: int) -> Node:
    path = label_key(value)
    system = SYSTEM_LABELS.get(path)
    return LabelNamed(path) if system is None else Labelled(system)


def _size_bytes(value: str) -> int:
    size = _SIZE.fullmatch(value)
    if size is None:
        raise ValueError("a size is written 500, 10k, 5m or 1g")
    return int(size[1]) * _UNIT_BYTES[size[2].lower()]


OPERATORS: Final[dict[str, Asked]] = {
    "is": _state,
    "has": _possession,
    "label": _label,
    "in": _label,
    "before": lambda value, now_ms: ReceivedBefore(day_start_ms(value)),
    "after": lambda value, now_ms: ReceivedSince(day_start_ms(value)),
    "older_than": lambda value, now_ms: ReceivedBefore(moment_before_ms(value, now_ms)),
    "newer_than": lambda value, now_ms: ReceivedSince(moment_before_ms(value, now_ms)),
    "larger": lambda value, now_ms: LargerThan(_size_bytes(value)),
    "smaller": lambda value, now_ms: SmallerThan(_size_bytes(value)),
    "rfc822msgid": lambda value, now_ms: MessageIdIs(message_id_key(value)),
}
"""The operators that look for something other than words, by name."""
