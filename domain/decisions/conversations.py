"""The thread that a new message stands in, and `ThreadsJoined` for those that it bridges."""

from collections import Counter

from domain.decisions.appending import Appending, require_labels
from domain.events import ThreadsJoined
from domain.ids import MessageId, ThreadId
from domain.rows import MAX_THREAD_MESSAGES, MessageRow, Needs, RowsMissingError
from domain.threading import SUBJECT_WINDOW_MS, choose


def thread_by_refs(appending: Appending, refs: tuple[str, ...]) -> ThreadId | None:
    """The thread that these hashed Message-IDs lead to, all of them joined to it; None where none has room."""
    rows = appending.rows
    leads = [row.thread_id for row in map(rows.reference, refs) if row is not None]
    totals = {thread_id: _total(appending, thread_id) for thread_id in dict.fromkeys(leads)}
    found = choose(totals)
    if found is None:
        return None
    _join(appending, found.into, found.joined)
    return found.into


def thread_by_subject(appending: Appending, subject_ref: str, received_at: int) -> ThreadId | None:
    """The thread that this subject among these correspondents had within 30 days, if it has room."""
    row = appending.rows.reference(subject_ref) if subject_ref else None
    if row is None or abs(received_at - row.seen_at) > SUBJECT_WINDOW_MS:
        return None
    return row.thread_id if has_room(appending, row.thread_id) else None


def has_room(appending: Appending, thread_id: ThreadId) -> bool:
    """Whether the thread takes one more message."""
    return _total(appending, thread_id) < MAX_THREAD_MESSAGES


def _total(appending: Appending, thread_id: ThreadId) -> int:
    row = appending.rows.thread(thread_id)
    return row.total if row is not None else 0


def _join(appending: Appending, into: ThreadId, joined: tuple[ThreadId, ...]) -> None:
    rows = appending.rows
    missing = tuple(thread_id for thread_id in joined if not rows.can_move(thread_id))
    if missing:
        raise RowsMissingError(Needs(thread_messages=missing))
    moved = {thread_id: _in_order(rows.thread_messages(thread_id)) for thread_id in joined}
    require_labels(rows, {label for messages in moved.values() for m in messages for label in m.labels})
    for thread_id, messages in moved.items():
        appending.add(_threads_joined(appending, into, thread_id, messages))


def _in_order(messages: list[MessageRow]) -> list[MessageRow]:
    return sorted(messages, key=lambda message: (message.delivered_seq, message.message_id))


def _threads_joined(appending: Appending, into: ThreadId, from_: ThreadId, messages: list[MessageRow]) -> ThreadsJoined:
    counts = Counter(label for message in messages for label in message.labels)
    return ThreadsJoined(
        into=into,
        from_=from_,
        message_ids=tuple(message.message_id for message in messages),
        new_ids=tuple(MessageId(appending.context.new_id("e")) for _ in messages),
        uids={label: appending.give_uids(label, counts[label]) for label in sorted(counts)},
    )
