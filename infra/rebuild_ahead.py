"""Reading ahead in a rebuild: the next batch of the log and the rows that it asks for, while those before it are folded
and written.

The rows are read in one snapshot, in which the two batches before may be there or not yet. What these touched is known,
and is laid over them in their order; where one did what is not seen in single rows, they are read again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import msgspec
import psycopg
from psycopg import Connection

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.rows import MailboxRow, Needs, Rows
from infra.store.reading import StreamReader
from infra.store.row_loading import Loading, read_json_as_raw
from infra.store.wire import Asks, Wire
from projections.event_needs import needs_of
from projections.in_step import Touched

_TABLES = ("messages", "memberships", "labels", "threads", "references", "drafts", "submissions", "documents")
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_HEAD = "SELECT head FROM mailboxes WHERE mailbox_id = %s"


class Batch(msgspec.Struct, frozen=True):
    """Events in their order, the rows that they ask for as far as they tell, and those rows as they stood.

    `head` is the mailbox's, as it stood after the events were read.
    """

    events: list[RecordedEvent]
    needs: Needs
    rows: Rows
    head: int


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


def load(asks: Asks, round_trip: Callable[[], None], mailbox: MailboxRow, needs: Needs) -> Rows:
    """The rows of a mailbox in the generation that its row names, in one round trip."""
    rows = Rows(mailbox)
    loading = Loading(asks, generation=mailbox.generation)
    loading.ask({mailbox.mailbox_id: needs}, 0)
    round_trip()
    loading.take({mailbox.mailbox_id: rows}, {mailbox.mailbox_id: needs})
    return rows


def laid_over(read: Rows, before: Sequence[Folded | None]) -> bool:
    """Bring rows that were read ahead up to what these batches made of them, in their order; whether that can be done.

    It cannot where one's rows are not known (None), nor where it joined threads: every reference to the one was led to
    the other, loaded or not. The rows of the batches become rows of this one.
    """
    known = [one for one in before if one is not None and not one.touched.threads_led]
    if len(known) < len(before):
        return False
    for one in known:
        for table in _TABLES:
            rows, made = getattr(read, table), getattr(one.rows, table)
            for key in getattr(one.touched, table):
                rows[key] = made[key]
    return True


class ReadAhead:
    """Reads one batch at a time, in a thread and on a connection of its own; a context manager."""

    def __init__(self, conninfo: str, reader: StreamReader, mailbox_id: MailboxId, *, generation: int) -> None:
        self._reader = reader
        self._mailbox = MailboxRow(mailbox_id, generation=generation)
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._reading: Future[Batch] | None = None
        connection = psycopg.connect(conninfo, autocommit=True)
        prepare(connection)
        self._wire = Wire(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._wire.close()

    def start(self, since: int, *, limit: int) -> None:
        """Begin to read at most `limit` events after `since`."""
        self._reading = self._thread.submit(self._read, since, limit)

    def take(self) -> Batch:
        """The batch begun last. Raises: what reading it raised."""
        assert self._reading is not None
        return self._reading.result()

    def _read(self, since: int, limit: int) -> Batch:
        events = self._reader.batch(self._mailbox.mailbox_id, since, limit=limit)
        needs = needs_of(events)
        self._wire.ask(_BEGIN)
        head = self._wire.ask(_HEAD, (self._mailbox.mailbox_id,))
        rows = load(self._wire, self._in_one_transaction, msgspec.structs.replace(self._mailbox), needs)
        found = head.fetchall()
        return Batch(events, needs, rows, found[0][0] if found else 0)

    def _in_one_transaction(self) -> None:
        self._wire.ask("COMMIT")
        self._wire.round_trip()
