"""Rebuilding the rows in step from the log while the mailbox is in use.

Per mailbox: the log is folded, batch by batch, into the next generation beside the live one; then, under the mailbox
row's lock, the last few events are applied, the counts compared, and the integer flipped; the old rows go in batches.
One batch is read while the one before it is folded and the one before that written; of one more the rows are
remembered: memory is four batches, not a mailbox. Interrupted anywhere, it goes on where it stood. One at a time
rebuilds a mailbox, and none switches to rows that differ from those that stand, unless an operator says so.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, sql

from domain.ids import MailboxId
from domain.mailbox_state import MailboxState, difference
from domain.rows import MailboxRow, Needs, Rows
from infra.erasing import is_cleared, is_erased, left_behind
from infra.operator_errors import OperatorError
from infra.rebuild_ahead import Batch, ReadAhead, load, prepare
from infra.rebuild_comparison import compare
from infra.rebuild_folding import Building, WriteBehind, folded, note, write
from infra.store.reading import StreamReader
from infra.store.row_loading import LOCK_MAILBOXES
from infra.store.row_tables import TABLES
from infra.store.wire import Cursors
from infra.views.stored_rows import stored_rows
from projections.event_needs import needs_of

BATCH_EVENTS = 1000
LAST_FEW_EVENTS = 200
"""So many events may be left to be applied under the lock."""

REMOVED_AT_ONCE = 2000
"""Old rows that go in one commit, while the mailbox waits: some 6 ms."""

_ONE_AT_A_TIME = "SELECT pg_try_advisory_lock(hashtextextended('rebuild ' || %s, 0))"
"""Two that fold into one generation would count everything twice; the lock goes with the connection."""

Progress = Callable[[int, int], None]
"""Told (events applied, head)."""


class RebuildUnderWayError(OperatorError):
    """Another process rebuilds this mailbox."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild came to: the events folded, and where the old rows had differed from the log (must be nowhere).

    Not `switched`, because of differences: the rows that were built lie in the next generation, unread.
    """

    mailbox_id: MailboxId
    events: int
    differences: tuple[str, ...]
    switched: bool = True


def rebuild_mailbox(
    conninfo: str,
    reader: StreamReader,
    mailbox_id: MailboxId,
    progress: Progress = lambda _done, _head: None,
    *,
    force: bool = False,
) -> Rebuilt:
    """Rebuild one mailbox's rows in step into the next generation and switch to it.

    Where the old rows differ it is switched only by `force`; what an earlier call left is built once more first.

    Raises:
        RebuildUnderWayError: another process is at it.
        KeyMissingError: nothing is switched.
        psycopg.Error: interrupted; call again to go on.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute(_ONE_AT_A_TIME, (mailbox_id,)).fetchone() != (True,):
            raise RebuildUnderWayError(f"mailbox {mailbox_id} is being rebuilt by another process")
        prepare(connection)
        _gather_statistics(connection)
        left = _left(connection, mailbox_id)
        building = left or _begin(connection, mailbox_id)
        differences = _build(conninfo, connection, reader, building, progress, force=force)
        if differences and left is not None and not force:
            building = _begin(connection, mailbox_id)
            differences = _build(conninfo, connection, reader, building, progress, force=False)
        if switched := not differences or force:
            _remove_others(connection, mailbox_id)
    return Rebuilt(mailbox_id, building.mailbox.head, tuple(differences), switched)


def verify_mailbox(conninfo: str, reader: StreamReader, mailbox_id: MailboxId) -> list[str]:
    """Every difference between the stored rows and the fold of the log in memory (must be none).

    Of a mailbox whose key was destroyed the log tells nothing: of one that was erased nothing may be left, either, once
    its erasure has come to its end.
    """
    with psycopg.connect(conninfo) as connection:
        with connection.transaction():
            if is_erased(connection, mailbox_id) or is_unreadable(reader, mailbox_id):
                return left_behind(connection, mailbox_id) if is_cleared(connection, mailbox_id) else []
        stored = stored_rows(connection, mailbox_id)
    head = stored["mailbox"][""]["head"]
    return difference(MailboxState.replay(reader.recorded(mailbox_id, until=head)).rows(), stored)


def is_unreadable(reader: StreamReader, mailbox_id: MailboxId) -> bool:
    """Whether the mailbox's key was destroyed: its log tells nothing. Raises: KeyMissingError."""
    first = reader.batch(mailbox_id, 0, limit=1)
    return bool(first) and first[0].event is None


def _gather_statistics(connection: Connection[Any]) -> None:
    """Of tables that were filled lately and that nobody has looked at: without any, plans loop over whole mailboxes."""
    unknown = (
        "SELECT relname FROM pg_class c WHERE oid = ANY (%s::text[]::regclass[])"
        " AND NOT EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = c.relnamespace::regnamespace::text"
        " AND s.tablename = c.relname)"
    )
    for (table,) in connection.execute(unknown, ([table.name for table in TABLES],)).fetchall():
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def _left(connection: Connection[Any], mailbox_id: MailboxId) -> Building | None:
    """What an earlier call left behind, beside the live generation."""
    found = connection.execute(
        "SELECT r.generation, r.mailbox FROM rebuilds r JOIN mailboxes b USING (mailbox_id)"
        " WHERE mailbox_id = %s AND r.generation > b.generation",
        (mailbox_id,),
    ).fetchone()
    return None if found is None else Building(_mailbox_from(found[1]), found[0])


def _begin(connection: Connection[Any], mailbox_id: MailboxId) -> Building:
    """A generation that no row bears yet."""
    connection.execute("DELETE FROM rebuilds WHERE mailbox_id = %s", (mailbox_id,))
    building = Building(MailboxRow(mailbox_id), _remove_others(connection, mailbox_id) + 1)
    note(Cursors(connection), building)
    return building


def _mailbox_from(raw: msgspec.Raw) -> MailboxRow:
    return msgspec.json.decode(raw, type=MailboxRow)


def _build(
    conninfo: str,
    connection: Connection[Any],
    reader: StreamReader,
    building: Building,
    progress: Progress,
    *,
    force: bool,
) -> list[str]:
    """Fold the log to its end and switch; the differences found, for which it was not switched unless by force."""
    _fold_to_last_few(conninfo, connection, reader, building, progress)
    differences = _switch(connection, reader, building, force=force)
    progress(building.mailbox.head, building.mailbox.head)
    return differences


def _fold_to_last_few(
    conninfo: str, connection: Connection[Any], reader: StreamReader, building: Building, progress: Progress
) -> None:
    """Fold batch after batch until the log has only a few events more, or none."""
    while _behind(connection, building) > LAST_FEW_EVENTS:
        before = building.mailbox.head
        _fold_on(conninfo, connection, reader, building, progress)
        if building.mailbox.head == before:
            return


def _fold_on(
    conninfo: str, connection: Connection[Any], reader: StreamReader, building: Building, progress: Progress
) -> None:
    """Fold batch after batch, each read while those before it are folded and written; all are durable on return."""
    mailbox_id, head = building.mailbox.mailbox_id, 0

    def durable(seq: int) -> None:
        progress(seq, head)

    with (
        ReadAhead(conninfo, reader, mailbox_id, generation=building.generation) as ahead,
        WriteBehind(connection, building, durable) as behind,
    ):
        ahead.start(building.mailbox.head, limit=BATCH_EVENTS)
        while (batch := ahead.take()).events and batch.head - building.mailbox.head > LAST_FEW_EVENTS:
            head = batch.head
            ahead.start(batch.events[-1].seq, limit=BATCH_EVENTS)
            behind.fold(batch)


def _behind(connection: Connection[Any], building: Building) -> int:
    row = connection.execute(
        "SELECT head FROM mailboxes WHERE mailbox_id = %s", (building.mailbox.mailbox_id,)
    ).fetchone()
    return 0 if row is None else row[0] - building.mailbox.head


def _fold_rest(connection: Connection[Any], reader: StreamReader, building: Building) -> int:
    """Apply the next batch, with nothing read ahead; how many events that were."""

    def rows(needs: Needs) -> Rows:
        with connection.pipeline() as pipeline:
            return load(Cursors(connection), pipeline.sync, building.row(), needs)

    mailbox = building.mailbox
    events = reader.batch(mailbox.mailbox_id, mailbox.head, limit=BATCH_EVENTS)
    if events:
        needs = needs_of(events)
        batch = Batch(events, needs, rows(needs), mailbox.head)
        write(Cursors(connection), building, folded(building, batch, batch.rows, rows))
    return len(events)


def _locked(connection: Connection[Any], mailbox_id: MailboxId) -> MailboxRow:
    """The mailbox row as it stands, locked until the transaction's end."""
    locked = connection.execute(LOCK_MAILBOXES, ([mailbox_id],)).fetchone()
    if locked is None:
        raise LookupError(f"there is no mailbox {mailbox_id}")
    return MailboxRow(*locked)


def _switch(connection: Connection[Any], reader: StreamReader, building: Building, *, force: bool) -> list[str]:
    """Under the lock: apply what is left, compare, flip the generation."""
    mailbox_id = building.mailbox.mailbox_id
    with connection.transaction():
        live = _locked(connection, mailbox_id)
        while building.mailbox.head < live.head:
            if not _fold_rest(connection, reader, building):
                raise LookupError(f"the log of {mailbox_id} ends at {building.mailbox.head}, its head is {live.head}")
        mailbox = building.mailbox
        if is_unreadable(reader, mailbox_id):
            # Nothing to compare with: what the rows still say of an erased person goes.
            differences, mailbox.erased = [], live.erased
        else:
            differences = compare(connection, live, mailbox, generation=building.generation)
        if differences and not force:
            return differences
        connection.execute(
            "UPDATE mailboxes SET generation = %s, used_bytes = %s, quota_bytes = %s, quota_warned = %s, messages = %s,"
            " last_uid_validity = %s, sending_blocked = %s, sending_halved = %s, erased = %s WHERE mailbox_id = %s",
            (
                building.generation,
                mailbox.used_bytes,
                mailbox.quota_bytes,
                mailbox.quota_warned,
                mailbox.messages,
                mailbox.last_uid_validity,
                mailbox.sending_blocked,
                mailbox.sending_halved,
                mailbox.erased,
                mailbox_id,
            ),
        )
        connection.execute("DELETE FROM rebuilds WHERE mailbox_id = %s", (mailbox_id,))
    return differences


def _remove_others(connection: Connection[Any], mailbox_id: MailboxId) -> int:
    """Remove the rows of every generation but the live one, in batches; which one that is.

    It is read under the mailbox row's lock with every batch, so that nobody switches in between.
    """
    for table in TABLES:
        for others in ("<", ">"):  # each a range of the primary key, whatever lies beside it
            while _remove_some(connection, mailbox_id, table.name, others):
                pass
    return _live(connection, mailbox_id)


def _remove_some(connection: Connection[Any], mailbox_id: MailboxId, table: str, others: str) -> bool:
    """Remove some rows of the generations before or after the live one; whether there were any."""
    rows = f"FROM {table} WHERE mailbox_id = %s AND generation {others} %s ORDER BY mailbox_id, generation"
    with connection.transaction():
        # The statistics of a table full of rows just removed, or just built, call for reading the whole of it.
        connection.execute("SET LOCAL enable_seqscan = off")
        found = connection.execute(f"SELECT {rows} LIMIT 1".encode(), (mailbox_id, _live(connection, mailbox_id)))
        if not found.rowcount:
            return False
        some = f"SELECT ctid {rows} LIMIT {REMOVED_AT_ONCE}"
        remove = f"DELETE FROM {table} WHERE ctid = ANY (ARRAY({some}))"  # noqa: S608
        connection.execute(remove.encode(), (mailbox_id, _locked(connection, mailbox_id).generation))
    return True


def _live(connection: Connection[Any], mailbox_id: MailboxId) -> int:
    row = connection.execute("SELECT generation FROM mailboxes WHERE mailbox_id = %s", (mailbox_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no mailbox {mailbox_id}")
    return int(row[0])
