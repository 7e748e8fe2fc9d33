"""How a message lies in the index: split into words here, so that it and `domain.search_matching` cannot disagree.

Every term begins with a tag of its mailbox. So a mailbox's terms lie together, and what a search costs does not depend
on what other mailboxes hold. That nothing leaks is not left to the tag: see `queries`. No text is stored as it was.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from tantivy import Document, Schema, SchemaBuilder

from domain.ids import MailboxId, MessageId
from domain.search_matching import address_keys, is_unread, values_of
from domain.search_query import TextField, message_id_key
from domain.words import spaced_words
from projections.search import SearchDocument

MAILBOX: Final = "mailbox"
KEY: Final = "key"
FACTS: Final = "facts"
MESSAGE_ID: Final = "message_id"
LISTED_AT: Final = "listed_at"
RECEIVED_AT: Final = "received_at"
SIZE: Final = "size"
CURSOR_OF: Final = "cursor_of"
APPLIED_SEQ: Final = "applied_seq"
TEXT_FIELDS: Final[tuple[TextField, ...]] = ("any", "subject", "from", "to", "cc", "bcc", "filename")

UNREAD: Final = "unread"
ATTACHMENT: Final = "attachment"

_MAX_INTEGER: Final = 2**63 - 1
_MAX_FACT_CHARS: Final = 1_000


def build_schema() -> Schema:
    """The schema of the index. Text fields hold words separated by spaces; only the message id is stored."""
    builder = SchemaBuilder()
    for text_field in TEXT_FIELDS:
        builder.add_text_field(text_field, tokenizer_name="whitespace", index_option="position")
    for field in (MAILBOX, KEY, FACTS, CURSOR_OF):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field(MESSAGE_ID, stored=True)
    for field in (LISTED_AT, RECEIVED_AT, SIZE):
        builder.add_integer_field(field, fast=True)
    builder.add_integer_field(APPLIED_SEQ, fast=True)
    return builder.build()


SCHEMA: Final = build_schema()


def tag(mailbox_id: MailboxId) -> str:
    """What every term of a mailbox begins with: letters and digits only."""
    return blake2b(mailbox_id.encode(), digest_size=5).hexdigest()


def message_key(mailbox_id: MailboxId, message_id: MessageId) -> str:
    """The term that names one message of one mailbox."""
    return f"{mailbox_id}/{message_id}"


def fact(mailbox_tag: str, kind: str, value: str = "") -> str:
    """A term for something that a message has: a label, a keyword, an address, a Message-ID."""
    return f"{mailbox_tag}{kind}:{value[:_MAX_FACT_CHARS]}".encode(errors="replace").decode()


def message_document(message: SearchDocument) -> Document:
    """The message as tantivy takes it."""
    mailbox_tag = tag(message.mailbox_id)
    fields: dict[str, Any] = {
        MAILBOX: message.mailbox_id,
        KEY: message_key(message.mailbox_id, message.message_id),
        MESSAGE_ID: message.message_id.encode(),
        FACTS: [fact(mailbox_tag, kind, value) for kind, value in _facts(message)],
        LISTED_AT: integer(message.listed_at),
        RECEIVED_AT: integer(message.received_at),
        SIZE: integer(message.size),
    }
    tagged = _Tagged(mailbox_tag)
    for field in TEXT_FIELDS:
        fields[field] = [text for value in values_of(message, field) if (text := tagged[value])]
    return Document.from_dict(fields, SCHEMA)


def cursor_document(mailbox_id: MailboxId, applied_seq: int) -> Document:
    """A mailbox's cursor: a document of the same index, so that it is committed with what it counts."""
    return Document.from_dict({CURSOR_OF: mailbox_id, APPLIED_SEQ: applied_seq}, SCHEMA)


def integer(number: int) -> int:
    """The number, as near as 64 bits can hold it."""
    return max(-_MAX_INTEGER, min(number, _MAX_INTEGER))


def _facts(message: SearchDocument) -> Iterator[tuple[str, str]]:
    yield from (("label", label_id) for label_id in message.labels)
    yield from (("keyword", keyword) for keyword in message.keywords)
    yield from _address_facts("from", message.from_)
    yield from _address_facts("to", message.to)
    yield from _address_facts("cc", message.cc)
    yield from _address_facts("bcc", message.bcc)
    yield "message_id", message_id_key(message.message_id_header)
    if is_unread(message.keywords):
        yield UNREAD, ""
    if message.has_attachment:
        yield ATTACHMENT, ""


def _address_facts(field: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield from ((field, key) for value in values for key in address_keys(value))


class _Tagged(dict[str, str]):
    """The words of a message's values, each with the mailbox's tag; a value that two fields share is split once."""

    def __init__(self, mailbox_tag: str) -> None:
        super().__init__()
        self._tag = mailbox_tag

    def __missing__(self, value: str) -> str:
        found = spaced_words(value)
        tagged = self[value] = self._tag + found.replace(" ", f" {self._tag}") if found else ""
        return tagged
