"""Messages: lists, and what their owner does with many at once."""

from typing import Annotated, Literal

import msgspec

from domain.decisions import DeleteMessages, Modify, ReportNotSpam, ReportSpam, Snooze
from domain.ids import LabelId, MessageId
from domain.times import MAX_MS, unix_ms
from gateways.http.labels import require_label
from gateways.http.operations import Answer, Call, Id, Operation, PagedRead, Reached, json_page
from gateways.http.problems import ProblemError
from gateways.http.shapes import MessagePage

Ids = Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=1000)]
LabelIds = Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)]
Keywords = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=255)], ...], msgspec.Meta(max_length=100)]
_CHANGED = ("message_unknown", "too_many_ids")


class MessagesQuery(PagedRead, frozen=True, kw_only=True):
    """Messages of a label (without one: all mail), read or not, starred or not."""

    label: Id | None = None
    unread: bool | None = None
    starred: bool | None = None


class Modification(msgspec.Struct, frozen=True, kw_only=True):
    """Labels and keywords to add and to remove."""

    ids: Ids
    add_labels: LabelIds = ()
    remove_labels: LabelIds = ()
    add_keywords: Keywords = ()
    remove_keywords: Keywords = ()


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Some messages."""

    ids: Ids


class Snoozing(Named, frozen=True, kw_only=True):
    """Some messages, away until then (RFC 3339)."""

    until: Annotated[str, msgspec.Meta(max_length=40)]


class Verdict(Named, frozen=True, kw_only=True):
    """Some messages, and what they are."""

    verdict: Literal["spam", "not_spam"]


def list_messages(call: Call[MessagesQuery, None]) -> Answer:
    """A page, newest `listed_at` first."""
    asked = call.query
    label = None if asked.label is None else LabelId(asked.label)
    page = call.parts.lists.messages(
        call.mailbox_id,
        label=label,
        unread=asked.unread,
        starred=asked.starred,
        cursor=asked.cursor or None,
        limit=asked.limit,
    )
    if label is not None and not page.rows:
        require_label(call, label)
    return json_page("messages", page.rows, page.cursor)


def modify(call: Call[None, Modification]) -> Answer:
    """All or none."""
    asked = call.body
    command = Modify(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        ids=message_ids(asked.ids),
        add_labels=tuple(map(LabelId, asked.add_labels)),
        remove_labels=tuple(map(LabelId, asked.remove_labels)),
        add_keywords=asked.add_keywords,
        remove_keywords=asked.remove_keywords,
    )
    return call.written(command)


def delete(call: Call[None, Named]) -> Answer:
    """Into TRASH; out of TRASH or SPAM for good."""
    ids = message_ids(call.body.ids)
    return call.written(DeleteMessages(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, ids=ids))


def snooze(call: Call[None, Snoozing]) -> Answer:
    """Out of INBOX, back at its top then."""
    command = Snooze(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        ids=message_ids(call.body.ids),
        until_ms=moment(call.body.until, name="until", code="snooze_invalid"),
    )
    return call.written(command)


def report(call: Call[None, Verdict]) -> Answer:
    """Moves them and teaches the filter."""
    kind = ReportSpam if call.body.verdict == "spam" else ReportNotSpam
    ids = message_ids(call.body.ids)
    return call.written(kind(mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, ids=ids))


def message_ids(ids: tuple[str, ...]) -> tuple[MessageId, ...]:
    """The ids as such."""
    return tuple(map(MessageId, ids))


def moment(text: str, *, name: str, code: str = "body_invalid") -> int:
    """Unix milliseconds of an RFC 3339 time, given under this name. Raises: ProblemError."""
    try:
        found = unix_ms(text)
    except (ValueError, OverflowError) as error:
        raise ProblemError(code, f"{str(error)[:200]} - at `$.{name}`") from None
    if not 0 <= found <= MAX_MS:
        raise ProblemError(code, f"a time lies in the years 1970 to 9999 - at `$.{name}`")
    return found


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/messages",
        summary="Messages, newest first",
        run=list_messages,
        query=MessagesQuery,
        answers={200: MessagePage},
        errors=("cursor_invalid", "label_unknown"),
        tag="messages",
    ),
    Operation(
        method="POST",
        path="/v1/messages/modify",
        summary="Add and remove labels and keywords",
        run=modify,
        body=Modification,
        answers={200: Reached},
        errors=(*_CHANGED, "label_unknown", "label_reserved", "keyword_invalid"),
        tag="messages",
    ),
    Operation(
        method="POST",
        path="/v1/messages/delete",
        summary="Into TRASH, or out of TRASH and SPAM for good",
        run=delete,
        body=Named,
        answers={200: Reached},
        errors=_CHANGED,
        tag="messages",
    ),
    Operation(
        method="POST",
        path="/v1/messages/snooze",
        summary="Away until a time",
        run=snooze,
        body=Snoozing,
        answers={200: Reached},
        errors=(*_CHANGED, "snooze_invalid"),
        tag="messages",
    ),
    Operation(
        method="POST",
        path="/v1/messages/report",
        summary="Spam, or not",
        run=report,
        body=Verdict,
        answers={200: Reached},
        errors=(*_CHANGED, "label_reserved"),
        tag="messages",
    ),
)
