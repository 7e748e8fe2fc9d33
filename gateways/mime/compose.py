"""A message written: header, bodies and attachments as bytes that any server takes (RFC 5322, 2045, 2046, 6532)."""

from __future__ import annotations

import re
import secrets
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateways.mime.encode_body import Entity, attached, multipart, text_entity
from gateways.mime.encode_header import CompositionError, address_field, checked, folded, text_field
from gateways.mime.header_fields import without_fields
from gateways.mime.structure import Address

__all__ = ["AttachedFile", "Composition", "CompositionError", "compose", "new_message_id", "strip_bcc"]

_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_MESSAGE_ID = re.compile(r"[^\s<>\x00-\x1f\x7f]{1,900}")
_OURS = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "sender", "subject", "date", "message-id", "in-reply-to", "references"}
    | {"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id"}
)


class AttachedFile(NamedTuple):
    """A file to attach; ``inline`` ones are shown by the HTML under ``content_id`` (without angle brackets)."""

    filename: str
    content_type: str
    content: bytes | Path
    inline: bool = False
    content_id: str | None = None


class Composition(msgspec.Struct, frozen=True, kw_only=True):
    """What a message shall say. Message ids stand in angle brackets or without; ``date_ms`` is Unix milliseconds."""

    from_: tuple[Address, ...]
    message_id: str
    date_ms: int
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    sender: Address | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    attachments: tuple[AttachedFile, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def compose(draft: Composition, *, keep_bcc: bool = False) -> bytes:
    """The message as bytes; a Bcc field only with ``keep_bcc``, for the author's own copy.

    Raises: CompositionError where a field holds a line end, a control character or a malformed address, id or name;
    OSError where an attached file cannot be read.
    """
    head = "".join(_fields(draft, keep_bcc))
    entity = _body(draft)
    return head.encode("utf-8", "replace") + b"MIME-Version: 1.0\r\n" + entity.header + b"\r\n" + entity.body


def _fields(draft: Composition, keep_bcc: bool) -> list[str]:
    if not -62_135_596_800_000 <= draft.date_ms < 253_402_300_800_000:
        raise CompositionError("Date is outside the years 1 to 9999")
    found = [f"Date: {formatdate(draft.date_ms / 1000)}\r\n"]
    lists = [("From", draft.from_), ("Sender", (draft.sender,) if draft.sender else ()), ("Reply-To", draft.reply_to)]
    lists += [("To", draft.to), ("Cc", draft.cc), ("Bcc", draft.bcc if keep_bcc else ())]
    found += [address_field(name, addresses) for name, addresses in lists if addresses]
    found.append(folded("Message-ID", [_id(draft.message_id)]))
    for name, ids in (("In-Reply-To", draft.in_reply_to), ("References", draft.references)):
        if ids:
            found.append(folded(name, [_id(one) for one in ids]))
    if draft.subject:
        found.append(text_field("Subject", draft.subject))
    found += [_extra(name, value) for name, value in draft.headers]
    return found


def _id(message_id: str) -> str:
    bare = checked(message_id, "Message-ID").strip().removeprefix("<").removesuffix(">")
    if not _MESSAGE_ID.fullmatch(bare):
        raise CompositionError("a message id is malformed")
    return f"<{bare}>"


def _extra(name: str, value: str) -> str:
    if not _FIELD_NAME.fullmatch(name) or name.lower() in _OURS or name.lower().startswith("resent-"):
        raise CompositionError(f"{name[:80]!r} cannot be an extra header field")
    return text_field(name, value)


def _body(draft: Composition) -> Entity:
    """mixed(related(alternative(text, html), inline …), attachment …), less the levels that would hold one part."""
    texts = [text_entity("plain", draft.text or "")] if draft.text is not None or draft.html is None else []
    inline = [file for file in draft.attachments if file.inline and draft.html is not None]
    if draft.html is not None:
        texts.append(text_entity("html", draft.html))
    entity = multipart("alternative", texts)
    entity = multipart("related", [entity, *(_attached(file, "inline") for file in inline)])
    others = [_attached(file, "attachment") for file in draft.attachments if file not in inline]
    return multipart("mixed", [entity, *others])


def _attached(file: AttachedFile, disposition: str) -> Entity:
    content = file.content.read_bytes() if isinstance(file.content, Path) else file.content
    content_id = _id(file.content_id) if file.content_id is not None else None
    return attached(content, file.content_type, filename=file.filename, disposition=disposition, content_id=content_id)


def strip_bcc(raw: bytes) -> bytes:
    """``raw`` less its Bcc and Resent-Bcc fields, folded ones included; all else byte-identical."""
    return without_fields(raw, lambda name, _: name in (b"bcc", b"resent-bcc"))


def new_message_id(domain: str) -> str:
    """An id that no other message has, without angle brackets (RFC 5322 section 3.6.4)."""
    return f"{secrets.token_hex(16)}@{domain}"
