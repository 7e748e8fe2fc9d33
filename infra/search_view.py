"""The following view that feeds the search index: from events to the messages touched, to their documents.

Feeding again what was fed before changes nothing; the index keeps its cursors in the same commit as its documents.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from domain.events import MessageDelivered, RecordedEvent, ThreadsJoined
from domain.ids import MailboxId, MessageId
from domain.rows import MessageRow
from infra.erasing import is_erased
from infra.search_documents import MESSAGES_AT_ONCE, ROW_COLUMNS, DocumentHeap, Extract, told_as_unavailable
from infra.store.row_tables import MESSAGES
from projections.search import SearchIndex

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
        with told_as_unavailable():
            return min(applied_seq, self._index.cursor(mailbox_id))

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
            rows = _rows(connection, mailbox_id, touched)
            self._heap.put(connection, mailbox_id, rows)
            self._heap.remove(mailbox_id, set(touched) - {row.message_id for row in rows})
            reached = some[-1].seq
            self._heap.reach(mailbox_id, reached)
        return reached

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


def forget_lost_cursors(connection: psycopg.Connection[Any], index: SearchIndex) -> int:
    """Set back the stored cursors that the index does not bear out (its folder was lost); how many those were.

    The sweep that follows wakes the view for those mailboxes.
    """
    stored = connection.execute("SELECT mailbox_id, applied_seq FROM followers WHERE view = 'search'").fetchall()
    lost = [(mailbox_id, seq) for mailbox_id, applied in stored if (seq := index.cursor(mailbox_id)) < applied]
    if lost:
        connection.execute(
            "UPDATE followers f SET applied_seq = n.seq FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq)"
            " WHERE f.view = 'search' AND f.mailbox_id = n.mailbox_id",
            ([m for m, _ in lost], [s for _, s in lost]),
        )
    return len(lost)
