"""The summary of a message's header: who, what, when, and which messages it answers."""

import re

from gateways.mime.addresses import addresses
from gateways.mime.dates import milliseconds
from gateways.mime.encoded_words import unfolded, words_decoded
from gateways.mime.header_fields import Fields
from gateways.mime.structure import MAX_ADDRESSES, MAX_REFERENCES, MAX_SHOWN_CHARS, Address, HeaderSummary

_MESSAGE_ID = re.compile(r"<([^<>\s]{1,998})>")
_LIST_ID = re.compile(r"<\s*([^<>\s]{1,998})\s*>")


def summary_of(fields: Fields, charset: str | None = None) -> HeaderSummary:
    """What the fields say, decoded; ``charset`` is that of raw 8-bit bytes that are not UTF-8."""
    return HeaderSummary(
        from_=_mailboxes(fields, b"from", charset),
        to=_mailboxes(fields, b"to", charset),
        cc=_mailboxes(fields, b"cc", charset),
        bcc=_mailboxes(fields, b"bcc", charset),
        reply_to=_mailboxes(fields, b"reply-to", charset),
        sender=_mailboxes(fields, b"sender", charset),
        subject=_text(fields, b"subject", charset) or "",
        date=_date(fields),
        message_id=_message_id(fields),
        in_reply_to=_bounded(_ids(fields, b"in-reply-to")),
        references=_bounded(_ids(fields, b"references")),
        auto_submitted=_keyword(fields, b"auto-submitted"),
        list_id=_list_id(fields),
        precedence=_keyword(fields, b"precedence"),
    )


def _mailboxes(fields: Fields, name: bytes, charset: str | None) -> tuple[Address, ...]:
    values = fields.get(name)
    if values is None:
        return ()
    if len(values) == 1:
        return addresses(unfolded(values[0], charset))
    found: list[Address] = []
    for value in values:
        found.extend(addresses(unfolded(value, charset)))
        if len(found) >= MAX_ADDRESSES:
            break
    return tuple(found[:MAX_ADDRESSES])


def _text(fields: Fields, name: bytes, charset: str | None) -> str | None:
    values = fields.get(name)
    return None if values is None else words_decoded(unfolded(values[0], charset))[:MAX_SHOWN_CHARS]


def _keyword(fields: Fields, name: bytes) -> str | None:
    """A field whose value is a word and perhaps parameters: the word, lower case."""
    values = fields.get(name)
    if values is None:
        return None
    return unfolded(values[0]).partition(";")[0].strip().lower()[:MAX_SHOWN_CHARS] or None


def _date(fields: Fields) -> int | None:
    values = fields.get(b"date")
    return None if values is None else milliseconds(unfolded(values[0]))


def _message_id(fields: Fields) -> str | None:
    values = fields.get(b"message-id")
    if values is None:
        return None
    text = unfolded(values[0])
    found = _MESSAGE_ID.search(text)
    if found is not None:
        return found[1]
    words = text.strip("<> ").split(None, 1)
    return words[0][:MAX_SHOWN_CHARS] if words else None


def _ids(fields: Fields, name: bytes) -> list[str]:
    values = fields.get(name)
    if values is None:
        return []
    found = _MESSAGE_ID.findall(" ".join(map(unfolded, values[:100])))
    return list(dict.fromkeys(found))


def _bounded(ids: list[str]) -> tuple[str, ...]:
    """At most 100: the first, which is the root of the conversation, and the last 99."""
    if len(ids) <= MAX_REFERENCES:
        return tuple(ids)
    return (ids[0], *ids[-(MAX_REFERENCES - 1) :])


def _list_id(fields: Fields) -> str | None:
    values = fields.get(b"list-id")
    if values is None:
        return None
    text = unfolded(values[0])
    found = _LIST_ID.search(text)
    return (found[1] if found else text.strip())[:MAX_SHOWN_CHARS].lower() or None
