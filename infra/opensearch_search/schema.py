"""How a message lies in OpenSearch: words and terms made here (`infra.search_terms`), which the server only separates.

Three kinds of documents share an index, each routed by its mailbox, so that one refresh shows them together: a message;
what is left of a message that was taken out, which nothing replaces; and a mailbox's cursor. Only a message has the
field `mailbox`, which every search asks for.
"""

from typing import Any, Final

from domain.ids import MailboxId, MessageId
from domain.search_matching import values_of
from domain.search_query import TextField
from infra.search_terms import TEXT_FIELDS, TaggedWords, facts, integer, marks, tag
from projections.search import MessageMarks, SearchDocument

SCHEMA: Final = 1
"""Goes up with every change of `MAPPINGS`: an index of another number must be rebuilt."""
MAILBOX: Final = "mailbox"
GONE_OF: Final = "gone_of"
CURSOR_OF: Final = "cursor_of"
SEQ: Final = "seq"
MESSAGE_ID: Final = "message_id"
LISTED_AT: Final = "listed_at"
RECEIVED_AT: Final = "received_at"
SIZE: Final = "size"
FACTS: Final = "facts"
MARKS: Final = "marks"
GONE_SEQ: Final = 2**62
"""Above every seq."""

_TERM: Final = {"type": "keyword", "doc_values": False, "norms": False}
_NUMBER: Final = {"type": "long"}
_WORDS: Final = {"type": "text", "analyzer": "whitespace", "norms": False}
_WORDS_OF_ANY: Final = {**_WORDS, "copy_to": "any"}
_PARTS: Final[tuple[TextField, ...]] = tuple(name for name in TEXT_FIELDS if name != "any")

MAPPINGS: Final[dict[str, Any]] = {
    "_meta": {"schema": SCHEMA},
    "_routing": {"required": True},
    "dynamic": "strict",
    "properties": {
        MAILBOX: _TERM,
        GONE_OF: _TERM,
        CURSOR_OF: _TERM,
        FACTS: _TERM,
        MARKS: _TERM,
        MESSAGE_ID: {"type": "keyword", "norms": False},
        SEQ: {"type": "long", "index": False},
        LISTED_AT: _NUMBER,
        RECEIVED_AT: _NUMBER,
        SIZE: _NUMBER,
        "any": _WORDS,
        **dict.fromkeys(_PARTS, _WORDS_OF_ANY),
    },
}


def settings(shards: int) -> dict[str, Any]:
    """An index's settings. What is acknowledged is flushed; it is shown when we say so, with the cursor that counts."""
    return {
        "number_of_shards": shards,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "-1",
        "translog": {"durability": "request"},
    }


def message_key(mailbox_id: MailboxId, message_id: MessageId) -> str:
    """The name of a message's document."""
    return f"{mailbox_id}/{message_id}"


def cursor_key(mailbox_id: MailboxId) -> str:
    """The name of a cursor's document; no message's begins so."""
    return f"#{mailbox_id}"


def message_document(message: SearchDocument) -> dict[str, Any]:
    """The message as OpenSearch takes it; of its text there is what `any` does not take from the other fields."""
    mailbox_tag = tag(message.mailbox_id)
    tagged = TaggedWords(mailbox_tag)
    found: dict[str, Any] = {
        MAILBOX: message.mailbox_id,
        MESSAGE_ID: message.message_id,
        SEQ: message.seq,
        LISTED_AT: integer(message.listed_at),
        RECEIVED_AT: integer(message.received_at),
        SIZE: integer(message.size),
        FACTS: facts(message, mailbox_tag),
        MARKS: marks(message.labels, message.keywords, mailbox_tag),
    }
    texts = {"any": (message.text,), **{name: values_of(message, name) for name in _PARTS}}
    for name, values in texts.items():
        if words := [text for value in values if (text := tagged[value])]:
            found[name] = words
    return found


def marks_document(message: MessageMarks) -> dict[str, Any]:
    """What of a message's document changes."""
    return {
        SEQ: message.seq,
        LISTED_AT: integer(message.listed_at),
        MARKS: marks(message.labels, message.keywords, tag(message.mailbox_id)),
    }


def gone_document(mailbox_id: MailboxId) -> dict[str, Any]:
    """What is left of a message: enough to pass over whatever comes of it later, and no word."""
    return {GONE_OF: mailbox_id, SEQ: GONE_SEQ}


def cursor_document(mailbox_id: MailboxId, applied_seq: int) -> dict[str, Any]:
    """A mailbox's cursor."""
    return {CURSOR_OF: mailbox_id, SEQ: applied_seq}
