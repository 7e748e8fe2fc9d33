"""Does a message match a search? Answered in memory, from the document alone: what every index must agree with."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from domain.search_query import (
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
    message_id_key,
)
from domain.words import words

MAX_ADDRESS_CHARS: Final = 320


class Searchable(Protocol):
    """What a search looks at in a message; see `projections.search.SearchDocument`."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def from_(self) -> Sequence[str]: ...
    @property
    def to(self) -> Sequence[str]: ...
    @property
    def cc(self) -> Sequence[str]: ...
    @property
    def bcc(self) -> Sequence[str]: ...
    @property
    def filenames(self) -> Sequence[str]: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def keywords(self) -> Sequence[str]: ...
    @property
    def size(self) -> int: ...
    @property
    def received_at(self) -> int: ...
    @property
    def has_attachment(self) -> bool: ...
    @property
    def message_id_header(self) -> str: ...


def matches(query: Query, document: Searchable) -> bool:
    """Whether a resolved query finds this document."""
    return not set(query.left_out) & set(document.labels) and _holds(query.root, document)


def is_unread(keywords: Sequence[str]) -> bool:
    """Unread means neither `$seen` nor `$draft`."""
    return "$seen" not in keywords and "$draft" not in keywords


def values_of(document: Searchable, field: TextField) -> Sequence[str]:
    """The texts of a field; no phrase reaches from one into the next."""
    return _VALUES[field](document)


def address_keys(value: str) -> Iterator[str]:
    """What `AddressIs` compares: the address of a `name address` text, its `localpart@` and its `@domain`."""
    address = value.rsplit(maxsplit=1)[-1] if value.strip() else ""
    key = address_key(address.removeprefix("<").removesuffix(">"))
    localpart, at, domain = key.rpartition("@")
    if at:
        yield key
        yield f"{localpart}@"
        yield f"@{domain}"


def address_key(address: str) -> str:
    """How addresses are compared: NFC, in lower case, at most `MAX_ADDRESS_CHARS` of it."""
    return unicodedata.normalize("NFC", address[:MAX_ADDRESS_CHARS]).lower()


def _addresses(document: Searchable) -> list[str]:
    return [*document.from_, *document.to, *document.cc, *document.bcc]


_VALUES: dict[TextField, Callable[[Searchable], Sequence[str]]] = {
    "any": lambda document: [document.subject, document.text, *_addresses(document), *document.filenames],
    "subject": lambda document: [document.subject],
    "from": lambda document: document.from_,
    "to": lambda document: document.to,
    "cc": lambda document: document.cc,
    "bcc": lambda document: document.bcc,
    "filename": lambda document: document.filenames,
}


def _has_phrase(phrase: Phrase, found: Sequence[str]) -> bool:
    *first, last = phrase.words
    for start in range(len(found) - len(first)):
        end = start + len(first)
        if list(found[start:end]) == first and (
            found[end].startswith(last) if phrase.open_ended else found[end] == last
        ):
            return True
    return False


def _says(node: Phrase, document: Searchable) -> bool:
    return any(_has_phrase(node, words(value)) for value in values_of(document, node.field))


def _has_address(node: AddressIs, document: Searchable) -> bool:
    return any(node.key in address_keys(value) for value in values_of(document, node.field))


_HOLDS: Final[dict[type, Callable[[Any, Searchable], bool]]] = {
    Everything: lambda _, document: True,
    Nothing: lambda _, document: False,
    LabelNamed: lambda _, document: False,
    AllOf: lambda node, document: all(_holds(part, document) for part in node.parts),
    AnyOf: lambda node, document: any(_holds(part, document) for part in node.parts),
    Not: lambda node, document: not _holds(node.part, document),
    Phrase: _says,
    AddressIs: _has_address,
    Labelled: lambda node, document: node.label_id in document.labels,
    HasKeyword: lambda node, document: node.keyword in document.keywords,
    IsUnread: lambda _, document: is_unread(document.keywords),
    HasAttachment: lambda _, document: document.has_attachment,
    ReceivedBefore: lambda node, document: document.received_at < node.at_ms,
    ReceivedSince: lambda node, document: document.received_at >= node.at_ms,
    LargerThan: lambda node, document: document.size > node.size_bytes,
    SmallerThan: lambda node, document: document.size < node.size_bytes,
    MessageIdIs: lambda node, document: message_id_key(document.message_id_header) == node.key,
}


def _holds(node: Node, document: Searchable) -> bool:
    return _HOLDS[type(node)](node, document)
