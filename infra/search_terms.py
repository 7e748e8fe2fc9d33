"""The terms of a message: split into words here, so that no index and `domain.search_matching` can disagree.

Every term begins with a tag of its mailbox. So a mailbox's terms lie together, and what a search costs does not depend
on what other mailboxes hold. That nothing leaks is not left to the tag: every index also asks for the mailbox itself.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from domain.ids import LabelId, MailboxId
from domain.search_matching import address_keys, is_unread
from domain.search_query import TextField, message_id_key
from domain.words import spaced_words
from projections.search import SearchDocument

TEXT_FIELDS: Final[tuple[TextField, ...]] = ("any", "subject", "from", "to", "cc", "bcc", "filename")

UNREAD: Final = "unread"
ATTACHMENT: Final = "attachment"

_MAX_INTEGER: Final = 2**63 - 1
_MAX_FACT_CHARS: Final = 1_000


def tag(mailbox_id: MailboxId) -> str:
    """What every term of a mailbox begins with: letters and digits only."""
    return blake2b(mailbox_id.encode(), digest_size=5).hexdigest()


def fact(mailbox_tag: str, kind: str, value: str = "") -> str:
    """A term for something that a message has: a label, a keyword, an address, a Message-ID."""
    return f"{mailbox_tag}{kind}:{value[:_MAX_FACT_CHARS]}".encode(errors="replace").decode()


def facts(message: SearchDocument, mailbox_tag: str) -> list[str]:
    """The terms of what never changes about a message, besides its words."""
    return [fact(mailbox_tag, kind, value) for kind, value in _facts(message)]


def marks(labels: Iterable[LabelId], keywords: Iterable[str], mailbox_tag: str) -> list[str]:
    """The terms of what may change about a message."""
    bears = tuple(keywords)
    found = [fact(mailbox_tag, "label", label_id) for label_id in labels]
    found += [fact(mailbox_tag, "keyword", keyword) for keyword in bears]
    return [*found, fact(mailbox_tag, UNREAD)] if is_unread(bears) else found


def integer(number: int) -> int:
    """The number, as near as 64 bits can hold it."""
    return max(-_MAX_INTEGER, min(number, _MAX_INTEGER))


class TaggedWords(dict[str, str]):
    """The words of a message's values, each with the mailbox's tag; a value that two fields share is split once."""

    def __init__(self, mailbox_tag: str) -> None:
        super().__init__()
        self._tag = mailbox_tag

    def __missing__(self, value: str) -> str:
        tagged = self[value] = spaced_words(value, self._tag)
        return tagged


def _facts(message: SearchDocument) -> Iterator[tuple[str, str]]:
    yield from _address_facts("from", message.from_)
    yield from _address_facts("to", message.to)
    yield from _address_facts("cc", message.cc)
    yield from _address_facts("bcc", message.bcc)
    yield "message_id", message_id_key(message.message_id_header)
    if message.has_attachment:
        yield ATTACHMENT, ""


def _address_facts(field: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield from ((field, key) for value in values for key in address_keys(value))
