"""What a parsed message is: the tree of its parts with byte offsets, its attachments and the summary of its header."""

from __future__ import annotations

import msgspec

PARSER_VERSION = 1
"""Raised whenever the same bytes would give another `ParsedMessage`; derived data is stored per version."""

MAX_DEPTH = 100
MAX_PARTS = 1_000
MAX_HEADER_BYTES = 1 << 20
MAX_VALUE_BYTES = 1 << 16
MAX_SHOWN_CHARS = 998
MAX_ADDRESSES = 500
MAX_REFERENCES = 100
MAX_TEXT_CHARS = 1 << 20
SNIPPET_CHARS = 200

Params = tuple[tuple[str, str], ...]


class Address(msgspec.Struct, frozen=True):
    """A mailbox of RFC 5322 section 3.4, decoded; ``address`` is empty where a stranger wrote a name only."""

    name: str
    address: str


class Part(msgspec.Struct, frozen=True):
    """One MIME entity; offsets count bytes of the whole message, ``raw[body_start:body_end]`` is its encoded body.

    ``path`` is a section of RFC 9051 section 6.4.5: "1", "2.1"; a multipart that is the body of a message is "TEXT" or
    "2.TEXT". A message/rfc822 part holds exactly one part, the root of the message in it. ``size`` is of decoded bytes.
    """

    path: str
    content_type: str
    charset: str | None
    transfer_encoding: str
    disposition: str | None
    filename: str | None
    content_id: str | None
    header_start: int
    body_start: int
    body_end: int
    size: int
    lines: int
    parts: tuple[Part, ...] = ()
    params: Params = ()
    disposition_params: Params = ()
    description: str | None = None
    language: str | None = None
    location: str | None = None
    md5: str | None = None


class Attachment(msgspec.Struct, frozen=True):
    """A part that is not read as the body; ``sha256`` (hex) and ``size`` are of its decoded bytes.

    ``id`` is "a" and the path with dots as underscores, so it is stable for the same bytes. ``inline`` is true for what
    an HTML body may show by its content id.
    """

    id: str
    filename: str
    content_type: str
    size: int
    sha256: str
    inline: bool
    content_id: str | None
    path: str


class HeaderSummary(msgspec.Struct, frozen=True):
    """The header fields that lists, threads and rules read, decoded; message ids stand without their angle brackets."""

    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    subject: str = ""
    date: int | None = None
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    auto_submitted: str | None = None
    list_id: str | None = None
    precedence: str | None = None


class ParsedMessage(msgspec.Struct, frozen=True):
    """All that one reading gives; ``date`` of the summary is in Unix milliseconds, ``text`` is for search."""

    parser: int
    summary: HeaderSummary
    snippet: str
    structure: Part
    attachments: tuple[Attachment, ...]
    text: str
    base_subject: str
    header_bytes: int
    reply_or_forward: bool = False


def walk(part: Part) -> list[Part]:
    """The part and all below it, in the order of their bytes; parts of messages inside included."""
    found, waiting = [], [part]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(reversed(current.parts))
    return found


def part_at(structure: Part, path: str) -> Part | None:
    """The part with that IMAP section path, if there is one."""
    return next((part for part in walk(structure) if part.path == path), None)
