"""Lists of messages and threads in the API's shapes."""

from typing import Any

from msgspec.structs import asdict

from domain.events import Mailaddress, MessagePersonal
from domain.ids import LabelId, ThreadId
from domain.mailbox_state.counting import thread_counts
from domain.mailbox_state.mailbox import Mailbox, Message
from domain.rows import ALL_MAIL
from domain.times import rfc3339

Json = dict[str, Any]
"""A JSON object in the shape that `api.md` gives it."""
Place = tuple[int, str]
"""Where a page ended: the time of listing in unix milliseconds and the id."""


def summary(message: Message) -> Json:
    """The `MessageSummary` of a message."""
    personal = message.personal or MessagePersonal()
    shown: Json = {
        "id": message.id,
        "thread_id": message.thread_id,
        "from": _addresses(personal.from_),
        "to": _addresses(personal.to),
        "cc": _addresses(personal.cc),
        "subject": personal.subject,
        "snippet": personal.snippet,
        "date": personal.date,
        "received_at": rfc3339(message.received_at),
        "listed_at": rfc3339(message.listed_at),
        "size": message.size,
        "labels": sorted(message.places),
        "keywords": sorted(message.keywords),
        "has_attachment": message.has_attachment,
        "attachments": [asdict(one) for one in personal.attachments],
        "seq": message.changed_seq,
    }
    if message.personal is None:
        shown["redacted"] = True
    return shown


def _addresses(addresses: tuple[Mailaddress, ...]) -> list[Json]:
    return [{"name": one.name, "address": one.address} for one in addresses]


def message_list(
    mailbox: Mailbox,
    *,
    label: LabelId | None,
    unread: bool | None,
    starred: bool | None,
    after: Place | None,
    limit: int | None,
) -> list[Json]:
    """Summaries, newest (`listed_at`, id) first; `after` is the last one of the page before."""
    wanted = [
        message
        for message in mailbox.live_messages()
        if (label is None or label in message.places)
        and (unread is None or unread == message.unread)
        and (starred is None or starred == message.starred)
        and (after is None or (message.listed_at, message.id) < after)
    ]
    wanted.sort(key=lambda message: (message.listed_at, message.id), reverse=True)
    return [summary(message) for message in wanted[:limit]]


def thread_list(mailbox: Mailbox, *, label: LabelId | None, after: Place | None, limit: int | None) -> list[Json]:
    """Threads with a message in the label, newest (`latest_at`, id) first."""
    inside = ALL_MAIL if label is None else label
    found = [
        (counts.latest_at, thread_id, counts)
        for (thread_id, label_id), counts in thread_counts(mailbox).items()
        if label_id == inside and (after is None or (counts.latest_at, thread_id) < after)
    ]
    found.sort(key=lambda one: one[:2], reverse=True)
    return [
        {"id": thread_id, "latest_at": rfc3339(latest_at), "total": counts.total, "unread": counts.unread}
        for latest_at, thread_id, counts in found[:limit]
    ]


def thread_messages(mailbox: Mailbox, thread_id: ThreadId) -> list[Json]:
    """The summaries of a thread, oldest (`received_at`, id) first."""
    inside = [message for message in mailbox.live_messages() if message.thread_id == thread_id]
    inside.sort(key=lambda message: (message.received_at, message.id))
    return [summary(message) for message in inside]
