"""How a message lies in the index. No text is stored as it was; `infra.search_terms` says what its terms are."""

from typing import Any, Final

from tantivy import Document, Schema, SchemaBuilder

from domain.ids import MailboxId, MessageId
from domain.search_matching import values_of
from infra.search_terms import TEXT_FIELDS, TaggedWords, facts, integer, marks, tag
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


def message_key(mailbox_id: MailboxId, message_id: MessageId) -> str:
    """The term that names one message of one mailbox."""
    return f"{mailbox_id}/{message_id}"


def message_document(message: SearchDocument) -> Document:
    """The message as tantivy takes it."""
    mailbox_tag = tag(message.mailbox_id)
    fields: dict[str, Any] = {
        MAILBOX: message.mailbox_id,
        KEY: message_key(message.mailbox_id, message.message_id),
        MESSAGE_ID: message.message_id.encode(),
        FACTS: [*facts(message, mailbox_tag), *marks(message.labels, message.keywords, mailbox_tag)],
        LISTED_AT: integer(message.listed_at),
        RECEIVED_AT: integer(message.received_at),
        SIZE: integer(message.size),
    }
    tagged = TaggedWords(mailbox_tag)
    for field in TEXT_FIELDS:
        fields[field] = [text for value in values_of(message, field) if (text := tagged[value])]
    return Document.from_dict(fields, SCHEMA)


def cursor_document(mailbox_id: MailboxId, applied_seq: int) -> Document:
    """A mailbox's cursor: a document of the same index, so that it is committed with what it counts."""
    return Document.from_dict({CURSOR_OF: mailbox_id, APPLIED_SEQ: applied_seq}, SCHEMA)
