"""Reading ahead in a rebuild: the next batch of the log and the rows that it asks for, while the one before is written.

The rows are read in one snapshot, in which the batch that is being written may be there or not yet. What that batch
touched is known, and is laid over them; where it did what is not seen in single rows, they are read again.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import msgspec
import psycopg
from psycopg import Connection, IsolationLevel

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.rows import MailboxRow, Needs, Rows
from infra.store.reading import StreamReader
from infra.store.row_loading import Loading, read_json_as_raw
from infra.store.wire import Cursors
from projections.event_needs import needs_of
from projections.in_step import Touched

_TABLES = ("messages", "memberships", "labels", "threads", "references", "drafts", "submissions", "documents")


class Batch(msgspec.Struct, frozen=True):
    """Events in their order, the rows that they ask for as far as they tell, and those rows as they stood."""

    events: list[RecordedEvent]
    needs: Needs
    rows: Rows


class Folded(msgspec.Struct, frozen=True):
    """A batch's rows after it, and which of them it touched."""

    rows: Rows
    touched: Touched


def prepare(connection: Connection[Any]) -> None:
    """Set a connection that a rebuild loads rows on.

    A batch asks for thousands at once, where plans made for any number of them would loop. Tables are joined in the
    order written: any other went through all of a mailbox's labels for each message.
    """
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.execute("SET join_collapse_limit = 1")
    read_json_as_raw(connection)


def load(connection: Connection[Any], mailbox: MailboxRow, needs: Needs) -> Rows:
    """The rows of a mailbox in the generation that its row names."""
    rows = Rows(mailbox)
    with connection.pipeline() as pipeline:
        loading = Loading(Cursors(connection), generation=mailbox.generation)
        loading.ask({mailbox.mailbox_id: needs}, 0)
        pipeline.sync()
        loading.take({mailbox.mailbox_id: rows}, {mailbox.mailbox_id: needs})
    return rows


def laid_over(read: Rows, before: Folded) -> bool:
    """Bring rows that were read ahead up to what the batch before made of them; whether that can be done.

    It cannot where threads were joined: every reference to the one was led to the other, loaded or not.
    """
    if before.touched.threads_led:
        return False
    for table in _TABLES:
        rows, made = getattr(read, table), getattr(before.rows, table)
        for key in getattr(before.touched, table):
            rows[key] = made[key]
    return True


class ReadAhead:
    """Reads one batch at a time, in a thread and on a connection of its own; a context manager."""

    def __init__(self, conninfo: str, reader: StreamReader, mailbox_id: MailboxId, *, generation: int) -> None:
        self._reader = reader
        self._mailbox = MailboxRow(mailbox_id, generation=generation)
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._reading: Future[Batch] | None = None
        self._connection = psycopg.connect(conninfo, autocommit=True)
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        prepare(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._connection.close()

    def start(self, since: int, *, limit: int) -> None:
        """Begin to read at most `limit` events after `since`; every batch but the one that ends there is written."""
        self._reading = self._thread.submit(self._read, since, limit)

    def take(self) -> Batch:
        """The batch begun last. Raises: what reading it raised."""
        assert self._reading is not None
        return self._reading.result()

    def _read(self, since: int, limit: int) -> Batch:
        events = self._reader.batch(self._mailbox.mailbox_id, since, limit=limit)
        needs = needs_of(events)
        with self._connection.transaction():
            return Batch(events, needs, load(self._connection, msgspec.structs.replace(self._mailbox), needs))
