"""How an event is written: JSON sections under a versioned topic, and how old versions are read.

Sections: *structure*, *personal*, *who*, *server*, in this order. The structure of `MessageDelivered` is laid out so
that `/sync` can complete it with the personal section by joining bytes: its last member is the `message` object.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET

from domain.events import BY_TOPIC, Event, MessageDelivered, Who, structure_of
from domain.ids import LabelId, MessageId, ThreadId


class Sections(msgspec.Struct, frozen=True):
    """The four JSON sections of an event; an absent one is empty."""

    structure: bytes
    personal: bytes
    who: bytes
    server: bytes


class _MessageFacts(msgspec.Struct, frozen=True):
    id: MessageId
    thread_id: ThreadId
    received_at: str
    listed_at: str
    size: int
    labels: tuple[LabelId, ...]
    keywords: tuple[str, ...]
    has_attachment: bool


class _DeliveredStructure(msgspec.Struct, frozen=True):
    source: str
    uids: dict[LabelId, int]
    message: _MessageFacts


Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""From the sections of one version, `{"structure": …, "personal": … or None, "server": … or None}`, to the next's."""

UPCASTERS: Mapping[str, tuple[str, Upcast]] = {}
"""Old topic → (next topic, upcast). An event that was written is never edited: it is upcast whenever it is read."""

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_encoder = msgspec.json.Encoder()
_delivered = msgspec.json.Decoder(_DeliveredStructure)
_who = msgspec.json.Decoder(Who)


class UnknownTopicError(Exception):
    """A newer version wrote this event: the reader waits for an upgrade, it does not skip."""


def encode(event: Event, who: Who) -> Sections:
    """The sections of an event in the current version."""
    personal, server = getattr(event, "personal", UNSET), getattr(event, "server", UNSET)
    return Sections(
        structure=without_nul(_structure(event)),
        personal=b"" if personal is UNSET else without_nul(_encoder.encode(personal)),
        who=without_nul(_encoder.encode(who)),
        server=b"" if server is UNSET else without_nul(_encoder.encode(server)),
    )


def without_nul(json: bytes) -> bytes:
    """JSON with U+FFFD for every U+0000, which no text in Postgres can hold: log and rows must say the same."""
    return _NUL.sub(rb"\1\\ufffd", json) if rb"\u0000" in json else json


def _structure(event: Event) -> bytes:
    if not isinstance(event, MessageDelivered):
        return _encoder.encode(structure_of(event))
    facts = _MessageFacts(
        event.id,
        event.thread_id,
        event.received_at,
        event.listed_at,
        event.size,
        event.labels,
        event.keywords,
        event.has_attachment,
    )
    return _encoder.encode(_DeliveredStructure(event.source, event.uids, facts))


def decode_who(section: bytes) -> Who:
    """Who and how, from its section."""
    return _who.decode(section)


def decode(topic: str, sections: Sections, upcasters: Mapping[str, tuple[str, Upcast]] = UPCASTERS) -> Event:
    """The event in its current version; without its personal part where that section is empty.

    Raises:
        UnknownTopicError: no version that this program knows.
    """
    topic, sections = upcast(topic, sections, upcasters)
    kind = BY_TOPIC.get(topic)
    if kind is None:
        raise UnknownTopicError(topic)
    event = _decode_structure(kind, sections.structure)
    parts = {
        name: _part_decoder(kind, name).decode(section)
        for name, section in (("personal", sections.personal), ("server", sections.server))
        if section
    }
    return msgspec.structs.replace(event, **parts) if parts else event


def upcast(
    topic: str, sections: Sections, upcasters: Mapping[str, tuple[str, Upcast]] = UPCASTERS
) -> tuple[str, Sections]:
    """Topic and sections in the newest version that the upcasters lead to."""
    while topic in upcasters:
        topic, step = upcasters[topic]
        parts = {
            name: msgspec.json.decode(section) if (section := getattr(sections, name)) else None
            for name in ("structure", "personal", "server")
        }
        newer = step(parts)
        encoded = {name: b"" if newer[name] is None else _encoder.encode(newer[name]) for name in newer}
        sections = msgspec.structs.replace(sections, **encoded)
    return topic, sections


def _decode_structure(kind: type[Event], section: bytes) -> Event:
    if kind is not MessageDelivered:
        return _structure_decoder(kind).decode(section)
    structure = _delivered.decode(section)
    facts = {name: getattr(structure.message, name) for name in _MessageFacts.__struct_fields__}
    return MessageDelivered(source=structure.source, uids=structure.uids, **facts)


@cache
def _structure_decoder(kind: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(kind)


@cache
def _part_decoder(kind: type[Event], part: str) -> msgspec.json.Decoder[Any]:
    annotation = msgspec.structs.fields(kind)
    declared = next(field.type for field in annotation if field.name == part)
    return msgspec.json.Decoder(declared.__args__[0])
