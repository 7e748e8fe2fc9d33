"""Counts, made anew from the messages each time that they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.ids import LabelId, ThreadId
from domain.mailbox_state.mailbox import Mailbox, Message
from domain.rows import ALL_MAIL


@dataclass(slots=True)
class LabelCounts:
    """What a label holds; `threads` are those with a message in it, `threads_unread` with an unread one in it."""

    total: int = 0
    unread: int = 0
    threads: int = 0
    threads_unread: int = 0
    size: int = 0


@dataclass(slots=True)
class ThreadCounts:
    """What a thread holds within one label, or (`ALL_MAIL`) in all; `latest_at` unix milliseconds, 0 when empty."""

    total: int = 0
    unread: int = 0
    latest_at: int = 0


def label_counts(mailbox: Mailbox) -> dict[LabelId, LabelCounts]:
    """The counts of every label, deleted ones included."""
    counts = {label_id: LabelCounts() for label_id in mailbox.labels}
    for message in mailbox.live_messages():
        for label_id in message.places:
            counts[label_id].total += 1
            counts[label_id].unread += message.unread
            counts[label_id].size += message.size
    for (_, label_id), thread in thread_counts(mailbox).items():
        if label_id != ALL_MAIL:
            counts[label_id].threads += 1
            counts[label_id].threads_unread += thread.unread > 0
    return counts


def thread_counts(mailbox: Mailbox) -> dict[tuple[ThreadId, LabelId], ThreadCounts]:
    """The counts of every thread in every label where it has a message, and in all mail."""
    counts: dict[tuple[ThreadId, LabelId], ThreadCounts] = {}
    for message in mailbox.live_messages():
        for label_id in _listed_in(message):
            thread = counts.setdefault((message.thread_id, label_id), ThreadCounts())
            thread.total += 1
            thread.unread += message.unread
            thread.latest_at = max(thread.latest_at, message.listed_at)
    return counts


def _listed_in(message: Message) -> Iterator[LabelId]:
    yield from message.places
    yield ALL_MAIL
