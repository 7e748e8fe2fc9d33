"""The public form of every event: as JSON Schema for programs, as a page for people, both made of the types.

`python -m gateways.http.event_schema > docs/events.md` writes the page.
"""

import sys
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from domain.events import EVENT_TYPES, Event, MessageDelivered

_REF = "#/$defs/{name}"
_HIDDEN = frozenset({"personal", "server"})
_BESIDE_MESSAGE = frozenset({"source", "uids"})


def event_schema() -> bytes:
    """JSON Schema (2020-12) of one event of `/sync`; fields and types that are not in it must be ignored."""
    kinds = {kind.TOPIC: public_type(kind) for kind in EVENT_TYPES}
    schemas, defs = msgspec.json.schema_components(list(kinds.values()), ref_template=_REF)
    gone = {"properties": {"redacted": {"const": True}, "data": {"maxProperties": 0}}, "required": ["redacted"]}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "type": "object",
        "properties": {
            "seq": {"type": "integer", "minimum": 1},
            "type": {"type": "string"},
            "at": {"type": "string", "format": "date-time"},
            "data": {"type": "object"},
            "redacted": {"type": "boolean"},
        },
        "required": ["seq", "type", "at", "data"],
        "anyOf": [
            *(
                {"properties": {"type": {"const": topic}, "data": schema}}
                for topic, schema in zip(kinds, schemas, strict=True)
            ),
            gone,
        ],
        "$defs": defs,
    }
    return msgspec.json.encode(document)


def public_type(kind: type[Event]) -> type[msgspec.Struct]:
    """The `data` of an event as a type: its structure, and its personal fields, which redaction takes away."""
    if kind is MessageDelivered:
        facts = [field for field in _fields(kind) if field[0] not in _BESIDE_MESSAGE]
        own = [field for field in _fields(kind) if field[0] in _BESIDE_MESSAGE]
        message = _struct("DeliveredMessage", [*facts, *_personal(kind), ("seq", int)])
        return _struct(kind.TOPIC, [*own, ("message", message)], kind.__doc__)
    return _struct(kind.TOPIC, [*_fields(kind), *_personal(kind)], kind.__doc__)


def _struct(name: str, fields: list[Any], doc: str | None = None) -> type[msgspec.Struct]:
    namespace = {"__doc__": doc} if doc else {}
    return msgspec.defstruct(name, fields, namespace=namespace, kw_only=True)


def _fields(kind: type[msgspec.Struct], *, optional: bool = False) -> Iterator[Any]:
    for field in msgspec.structs.fields(kind):
        if field.name in _HIDDEN:
            continue
        if optional or field.default is msgspec.UNSET:
            default = msgspec.field(name=field.encode_name, default=msgspec.UNSET)
            yield field.name, _or_missing(field.type), default
        else:
            yield field.name, field.type, msgspec.field(name=field.encode_name)


def _or_missing(kind: Any) -> Any:
    return kind if msgspec.UnsetType in get_args(kind) else kind | msgspec.UnsetType


def _personal(kind: type[Event]) -> Iterator[Any]:
    for field in msgspec.structs.fields(kind):
        if field.name == "personal":
            yield from _fields(get_args(field.type)[0], optional=True)


def events_page() -> str:
    """The text of `docs/events.md`."""
    parts = [_INTRODUCTION]
    for kind in EVENT_TYPES:
        public = public_type(kind)
        parts.append(f"\n## `{kind.TOPIC}`\n\n{_first_paragraph(kind)}\n")
        rows = list(_rows(public, personal={name for name, *_ in _personal(kind)}))
        if rows:
            parts.append("\n| field of `data` | type |\n| --- | --- |\n" + "".join(rows))
    return "".join(parts)


def _first_paragraph(kind: type[Event]) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _rows(kind: type[msgspec.Struct], prefix: str = "", *, personal: set[str]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.encode_name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _rows(field.type, f"{name}.", personal=personal)
        else:
            gone = ", gone where redacted" if field.name in personal else ", may be missing"
            yield f"| `{name}` | {_said(field.type)}{gone if field.default is msgspec.UNSET else ''} |\n"


def _said(kind: Any) -> str:
    schema = msgspec.json.schema(msgspec.Raw if kind is msgspec.Raw else kind)
    return _of_schema(schema, schema.get("$defs", {}))


def _of_schema(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _of_schema(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return " or ".join(_of_schema(one, defs) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_of_schema(schema.get('items', {}), defs)}"
    if "properties" in schema:
        inner = ", ".join(f"{name}: {_of_schema(one, defs)}" for name, one in schema["properties"].items())
        return f"{{{inner}}}"
    if schema.get("type") == "object":
        return f"object of {_of_schema(schema.get('additionalProperties', {}), defs)}"
    return str(schema.get("type", "any JSON"))


_INTRODUCTION = """\
# The events of a mailbox

What `/sync` sends: `{"seq", "type", "at", "data"}`, `data` by `type` as below. `seq` counts from 1 without gaps, `at`
is when the event was recorded. Types and fields that a client does not know must be ignored: more will come, and what
is here keeps its meaning. `uids` gives for each label the first UID given; the messages that the event puts into that
label take consecutive ones in the order of `message_ids`. Times are RFC 3339 in UTC, sizes are bytes.

Where a key was destroyed the event keeps `seq`, `type` and `at` and has `"redacted": true`: with the message's key gone
its personal fields are missing, with the mailbox's key gone `data` is `{}`.

This page is written by `python -m gateways.http.event_schema > docs/events.md`; the same as JSON Schema is
`GET /v1/events/schema`.
"""

if __name__ == "__main__":
    sys.stdout.write(events_page())
