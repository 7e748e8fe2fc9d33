"""A mailbox's messages for a new search index, out of the rows in step: each once, in the order of their last change.

Whoever went on to a seq has every message that was last changed by then, as it stands; what changes afterwards moves
behind that seq. So the scan may stop anywhere and go on later, and no event has to be opened for it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from domain.ids import MailboxId
from domain.rows import MessageRow
from infra.erasing import is_erased
from infra.rebuild import is_unreadable
from infra.search_documents import MESSAGES_AT_ONCE, ROW_COLUMNS, DocumentHeap
from infra.store.reading import StreamReader
from infra.store.row_tables import MESSAGES

ROWS_AT_ONCE = 500

_HEAD = "SELECT head FROM mailboxes WHERE mailbox_id = %s"
_CHANGED = (
    f"SELECT {ROW_COLUMNS} FROM messages x WHERE x.mailbox_id = %s"  # noqa: S608
    " AND x.generation = (SELECT generation FROM mailboxes WHERE mailbox_id = %s) AND x.changed_seq > %s"
    " ORDER BY x.changed_seq FETCH FIRST %s ROWS WITH TIES"
)
"""What one event changed is never cut in two."""


class SearchScan:
    """Gathers a mailbox's documents, rows by rows, and settles whenever the heap is full."""

    def __init__(self, connection: Connection[Any], reader: StreamReader, heap: DocumentHeap) -> None:
        self._connection = connection
        self._reader = reader
        self._heap = heap

    def go_on(self, mailbox_id: MailboxId, since: int) -> int:
        """Gather the next messages that were changed last after `since`; the seq up to which that was done.

        Of a mailbox that was erased or whose key was destroyed nothing, and what the index has of it goes: what its
        rows still say of an erased person is not found again.

        Raises:
            KeyMissingError, ViewUnavailableError.
        """
        head = self._head(mailbox_id)  # before the rows: what comes between is gathered, too, and again
        if is_erased(self._connection, mailbox_id) or is_unreadable(self._reader, mailbox_id):
            self._heap.forget(mailbox_id)
            self._heap.reach(mailbox_id, head)
            return head
        rows = self._changed(mailbox_id, since)
        for some in _portions(rows):
            if self._heap.is_full:
                self._heap.settle()
            self._heap.put(self._connection, mailbox_id, some)
            self._heap.reach(mailbox_id, some[-1].changed_seq)
        reached = rows[-1].changed_seq if len(rows) >= ROWS_AT_ONCE else max(head, since)
        self._heap.reach(mailbox_id, reached)
        return reached

    def settle(self) -> None:
        """Commit what was gathered; durable on return. Raises: ViewUnavailableError."""
        self._heap.settle()

    def _head(self, mailbox_id: MailboxId) -> int:
        found = self._connection.execute(_HEAD, (mailbox_id,)).fetchone()
        return 0 if found is None else int(found[0])

    def _changed(self, mailbox_id: MailboxId, since: int) -> list[MessageRow]:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(_CHANGED.encode(), (mailbox_id, mailbox_id, since, ROWS_AT_ONCE))
            return [MESSAGES.row(values) for values in cursor.fetchall()]


def _portions(rows: Sequence[MessageRow]) -> Iterator[list[MessageRow]]:
    """The rows in runs of about `MESSAGES_AT_ONCE`, or of a single event, that end where an event's do."""
    portion: list[MessageRow] = []
    for _, changed in groupby(rows, key=lambda row: row.changed_seq):
        portion += changed
        if len(portion) >= MESSAGES_AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion
