"""Labels: listed with their counts, made, renamed, moved, deleted."""

from typing import Annotated, Any

import msgspec

from domain.decisions import ChangeLabel, CreateLabel, DeleteLabel, EmptyLabelPart
from domain.ids import LabelId, MessageId
from domain.labels import is_system
from domain.refusals import LabelHasChildrenError, LabelReservedError, LabelUnknownError
from gateways.http.operations import Answer, Call, Operation, Reached, Read, as_json
from gateways.http.shapes import Count, LabelList, Made
from gateways.http.short_lists import ShortRead
from projections.page import CursorInvalidError, Place, decode_cursor, encode_cursor

PART = 500
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=6000)]


class LabelPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path of label names: parents that are missing are made."""

    name: Path


class _Identified(msgspec.Struct):
    id: MessageId


def list_labels(call: Call[ShortRead, None]) -> Answer:
    """The system labels, then the others by path; a page begins behind the label that the cursor names."""
    labels = call.parts.facts.labels(call.mailbox_id)
    begin = _behind(labels, call.query.cursor) if call.query.cursor else 0
    end = begin + call.query.limit
    cursor = encode_cursor(Place(0, labels[end - 1]["id"], "labels")) if end < len(labels) else None
    return as_json({"labels": labels[begin:end], "cursor": cursor})


def _behind(labels: list[dict[str, Any]], cursor: str) -> int:
    """Raises: CursorInvalidError, where its label was deleted, too: nothing says where in the order it stood."""
    last = decode_cursor(cursor, list_name="labels").key
    for index, label in enumerate(labels):
        if label["id"] == last:
            return index + 1
    raise CursorInvalidError("the label where the page ended is gone: begin again")


def counts(call: Call[Read, None]) -> Answer:
    """Total and unread, by label id."""
    return as_json(call.parts.facts.counts(call.mailbox_id))


def create(call: Call[None, LabelPath]) -> Answer:
    """A new label, and its missing parents."""
    command = CreateLabel(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, path=call.body.name)
    return call.written(command, "id", status=201)


def change(call: Call[None, LabelPath]) -> Answer:
    """Renames and moves."""
    command = ChangeLabel(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        label_id=LabelId(call.path["label_id"]),
        path=call.body.name,
    )
    return call.written(command)


def delete(call: Call[None, None]) -> Answer:
    """Empties it in parts, then deletes it. A deletion that was interrupted goes on when it is asked for again."""
    label_id = LabelId(call.path["label_id"])
    _require_deletable(call, label_id)
    while ids := _some_of(call, label_id):
        call.run(
            EmptyLabelPart(
                mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, label_id=label_id, ids=ids
            )
        )
    return call.written(
        DeleteLabel(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, label_id=label_id)
    )


def require_label(call: Call[Any, Any], label_id: LabelId) -> None:
    """The mailbox has this label. Raises: LabelUnknownError."""
    if label_id not in call.parts.facts.counts(call.mailbox_id):
        raise LabelUnknownError(label_id)


def _require_deletable(call: Call[None, None], label_id: LabelId) -> None:
    if is_system(label_id):
        raise LabelReservedError("a system label stays as it is", label_id=label_id)
    labels = call.parts.facts.labels(call.mailbox_id)
    if all(label["id"] != label_id for label in labels):
        raise LabelUnknownError(label_id)
    if any(label["parent_id"] == label_id for label in labels):
        raise LabelHasChildrenError("delete the labels below it first", label_id=label_id)


def _some_of(call: Call[None, None], label_id: LabelId) -> tuple[MessageId, ...]:
    page = call.parts.lists.messages(call.mailbox_id, label=label_id, limit=PART)
    return tuple(msgspec.json.decode(row, type=_Identified).id for row in page.rows)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/labels",
        summary="Labels with their counts",
        run=list_labels,
        query=ShortRead,
        answers={200: LabelList},
        errors=("cursor_invalid",),
        tag="labels",
    ),
    Operation(
        method="POST",
        path="/v1/labels",
        summary="Make a label",
        run=create,
        body=LabelPath,
        answers={201: Made},
        errors=("label_exists", "label_reserved", "label_invalid"),
        tag="labels",
    ),
    Operation(
        method="PATCH",
        path="/v1/labels/{label_id}",
        summary="Rename or move a label",
        run=change,
        body=LabelPath,
        answers={200: Reached},
        errors=("label_unknown", "label_exists", "label_reserved", "label_invalid"),
        unknown="label_unknown",
        tag="labels",
    ),
    Operation(
        method="DELETE",
        path="/v1/labels/{label_id}",
        summary="Delete a label; its messages stay",
        run=delete,
        answers={200: Reached},
        errors=("label_unknown", "label_reserved", "label_has_children", "label_not_empty"),
        unknown="label_unknown",
        tag="labels",
    ),
    Operation(
        method="GET",
        path="/v1/counts",
        summary="Total and unread by label",
        run=counts,
        answers={200: dict[str, Count]},
        tag="labels",
    ),
)
