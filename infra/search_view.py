"""The following view that feeds the search index: from events to the messages touched, to their documents.

Feeding again what was fed before changes nothing; the index keeps its cursors in the same commit as its documents.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from domain.events import (
    DeletionMarked,
    DeletionUnmarked,
    KeywordsChanged,
    LabelsChanged,
    MessageDelivered,
    MessagesSnoozed,
    RecipientReported,
    RecordedEvent,
    SnoozeEnded,
    SpamCleared,
    SpamReported,
    ThreadsJoined,
)
from domain.ids import MailboxId, MessageId
from domain.rows import MessageRow
from infra.erasing import is_erased
from infra.followers import ViewUnavailableError
from infra.search_documents import MESSAGES_AT_ONCE, ROW_COLUMNS, DocumentHeap, Extract
from infra.search_generations import WholeIndex
from infra.store.row_tables import MESSAGES
from projections.search import SearchIndex, SearchUnavailableError

SAYS_THE_SAME = (
    KeywordsChanged,
    LabelsChanged,
    DeletionMarked,
    DeletionUnmarked,
    SpamReported,
    SpamCleared,
    MessagesSnoozed,
    SnoozeEnded,
    RecipientReported,
)
"""Events after which a message says what it said before."""
CURSORS_AT_ONCE = 1_000

_ROWS = (
    f"SELECT {ROW_COLUMNS} FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"  # noqa: S608
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.message_id = ANY (%s)"
)


def touched_messages(events: Iterable[RecordedEvent]) -> set[MessageId]:
    """The messages whose document these events may change."""
    touched: set[MessageId] = set()
    for recorded in events:
        event = recorded.event
        if isinstance(event, MessageDelivered):
            touched.add(event.id)
        elif isinstance(event, ThreadsJoined):
            touched.update((*event.message_ids, *event.new_ids))
        else:
            touched.update(getattr(event, "message_ids", ()))
            if (one := getattr(event, "message_id", None)) is not None:
                touched.add(one)
    return touched


class SearchView:
    """`FollowingView` over a search index. `settle` is the index's one commit for all mailboxes of a step."""

    name = "search"

    def __init__(self, index: SearchIndex, extract: Extract) -> None:
        self._index = index
        self._heap = DocumentHeap(index, extract)

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """What the index itself has, should it have lost its folder or been switched to another generation."""
        try:
            return min(applied_seq, self._index.cursor(mailbox_id))
        except SearchUnavailableError as error:
            self._heap.clear()
            raise ViewUnavailableError(str(error)) from error

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        """Gather the documents of the messages that these events touch, until the heap is full.

        What a single event touches may be more: all but the last of it is given to the index before its cursor. Of an
        erased mailbox all goes.
        """
        if is_erased(connection, mailbox_id):
            self._heap.forget(mailbox_id)
            self._heap.reach(mailbox_id, events[-1].seq)
            return events[-1].seq
        reached = events[0].seq - 1
        for some, touched in _portions(events):
            if self._heap.is_full:
                break
            self._gather(connection, mailbox_id, some, touched)
            reached = some[-1].seq
            self._heap.reach(mailbox_id, reached)
        return reached

    def _gather(
        self,
        connection: Connection[Any],
        mailbox_id: MailboxId,
        events: Sequence[RecordedEvent],
        touched: Sequence[MessageId],
    ) -> None:
        rows = _rows(connection, mailbox_id, touched)
        whole = touched_messages(one for one in events if not isinstance(one.event, SAYS_THE_SAME))
        is_whole = [row.message_id in whole or row.destroyed_seq is not None for row in rows]
        self._heap.put(connection, mailbox_id, [row for row, told in zip(rows, is_whole, strict=True) if told])
        self._heap.relabel(connection, mailbox_id, [row for row, told in zip(rows, is_whole, strict=True) if not told])
        self._heap.remove(mailbox_id, set(touched) - {row.message_id for row in rows})

    def settle(self) -> None:
        """Commit what was gathered to the index: durable before the cursors in the database are."""
        self._heap.settle()


def _rows(connection: Connection[Any], mailbox_id: MailboxId, wanted: Sequence[MessageId]) -> list[MessageRow]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return [MESSAGES.row(v) for v in cursor.execute(_ROWS.encode(), (mailbox_id, wanted)).fetchall()]


def _portions(events: Sequence[RecordedEvent]) -> Iterator[tuple[Sequence[RecordedEvent], list[MessageId]]]:
    """The events in runs that touch about `MESSAGES_AT_ONCE` messages, or are a single event, with those messages."""
    start, touched = 0, set[MessageId]()
    for place, event in enumerate(events, start=1):
        touched |= touched_messages((event,))
        if len(touched) >= MESSAGES_AT_ONCE or place == len(events):
            yield events[start:place], sorted(touched)
            start, touched = place, set()


def forget_lost_cursors(connection: psycopg.Connection[Any], index: WholeIndex) -> int:
    """Set back the stored cursors that the index does not bear out (it was lost); how many those were.

    The sweep that follows wakes the view for those mailboxes. Raises: SearchUnavailableError.
    """
    stored = connection.execute("SELECT mailbox_id, applied_seq FROM followers WHERE view = 'search'").fetchall()
    lost: dict[MailboxId, int] = {}
    for start in range(0, len(stored), CURSORS_AT_ONCE):
        applied = {MailboxId(mailbox_id): seq for mailbox_id, seq in stored[start : start + CURSORS_AT_ONCE]}
        cursors = index.cursors(list(applied))
        lost |= {mailbox_id: seq for mailbox_id, seq in cursors.items() if seq < applied[mailbox_id]}
    if lost:
        connection.execute(
            "UPDATE followers f SET applied_seq = least(f.applied_seq, n.seq)"
            " FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq)"
            " WHERE f.view = 'search' AND f.mailbox_id = n.mailbox_id",
            (list(lost), list(lost.values())),
        )
    return len(lost)
