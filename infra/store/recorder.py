"""The library's application recorder, replaced where measurement showed the need (docs/decisions.md).

What stays: the table's columns, `StoredEvent`, the datastore and its pool, `select_events`. What is replaced: inserting
takes no table lock, sends no NOTIFY inside the transaction and leaves no gap; there is no order across mailboxes, so
there are no notifications: followers read a mailbox after their own cursor.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, tuple_row

from domain.chain import GENESIS
from domain.ids import MailboxId
from infra.store.array_literals import numbers, octets, texts
from infra.store.liveliness import RECONNECT_S
from infra.store.mapper import StoredRow, row_from
from infra.store.wire import Parameter

_COLUMNS = (
    "e.originator_id, e.originator_version, e.topic, e.state, e.recorded_at, e.key_id, e.hash,"
    " (SELECT s.salt FROM message_salts s"
    " WHERE s.mailbox_id = e.originator_id AND s.seq = e.originator_version) AS salt"
    " FROM stored_events e"
)
"""The salt by subquery: as a join it was merged, which reads every salt before the page."""
SELECT_AFTER = (
    f"SELECT {_COLUMNS} WHERE e.originator_id = %s AND e.originator_version > %s ORDER BY e.originator_version LIMIT %s"
)
SELECT_AT = (
    "SELECT p.* FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq) CROSS JOIN LATERAL"
    f" (SELECT {_COLUMNS} WHERE e.originator_id = n.mailbox_id AND e.originator_version = n.seq LIMIT 1) AS p"
)
"""One look into the index for each, however many events there are."""
SELECT_PAGE = (
    "WITH m AS (SELECT mailbox_id, head, CASE WHEN %s = head THEN head_hash END AS head_hash"
    " FROM mailboxes WHERE mailbox_id = %s)"
    " SELECT p.*, m.head, coalesce(m.head_hash,"
    " (SELECT hash FROM stored_events b WHERE b.originator_id = m.mailbox_id AND b.originator_version = %s))"
    f" FROM m LEFT JOIN LATERAL (SELECT {_COLUMNS} WHERE e.originator_id = m.mailbox_id"
    " AND e.originator_version > %s AND e.originator_version <= m.head"
    " ORDER BY e.originator_version LIMIT %s) p ON true"
)


class NoGlobalOrderError(Exception):
    """Asked for an order across mailboxes: there is none, by design."""


def datastore(conninfo: str, *, pool_size: int = 4, max_overflow: int = 12) -> PostgresDatastore:
    """The library's datastore on a libpq connection string, text stream ids."""
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    store = PostgresDatastore(
        dbname=parts.get("dbname", "ledgermail"),
        host=parts.get("host", ""),
        port=parts.get("port", "5432"),
        user=parts.get("user", ""),
        password=parts.get("password", ""),
        pool_size=pool_size,
        max_overflow=max_overflow,
        originator_id_type="text",
    )
    store.pool.reconnect_timeout = RECONNECT_S
    return store


class MailboxRecorder(PostgresApplicationRecorder):
    """Reads and appends rows of the log. Appends of commands go through the lane, which uses `parameters`."""

    def create_table(self) -> None:
        """Nothing: tables come from migrations."""

    @staticmethod
    def parameters(rows: Sequence[StoredRow], salted: Sequence[tuple[StoredRow, str]]) -> tuple[Parameter, ...]:
        """The parameters of `append_commit` for rows and for the salts of those that have a personal section."""
        return (
            texts([row.mailbox_id for row in rows]),
            numbers(row.seq for row in rows),
            texts([row.topic for row in rows]),
            octets([row.state for row in rows]),
            numbers(row.recorded_at for row in rows),
            texts([row.key_id for row in rows]),
            octets([row.hash for row in rows]),
            texts([row.mailbox_id for row, _ in salted]),
            numbers(row.seq for row, _ in salted),
            texts([message_id for _, message_id in salted]),
            octets([row.salt or b"" for row, _ in salted]),
        )

    def _insert_stored_events(
        self, curs: Cursor[DictRow], stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> NoReturn:
        raise IntegrityError("the log is appended to by commands only (infra.store.lane)")

    def rows_after(self, mailbox_id: MailboxId, seq: int, *, limit: int) -> list[StoredRow]:
        """At most `limit` rows of a mailbox after `seq`, in order, with their salts."""
        return [row_from(record) for record in self._records(SELECT_AFTER, (mailbox_id, seq, limit))]

    def rows_at(self, places: Sequence[tuple[MailboxId, int]]) -> list[StoredRow]:
        """The rows of these mailboxes with these numbers, in no order, with their salts."""
        columns = [mailbox_id for mailbox_id, _seq in places], [seq for _mailbox_id, seq in places]
        return [row_from(record) for record in self._records(SELECT_AT, columns)]

    def page(self, mailbox_id: MailboxId, since: int, *, limit: int) -> tuple[list[StoredRow], int | None, bytes]:
        """One round trip: at most `limit` rows after `since`, the head (None: no such mailbox), the hash at `since`."""
        records = self._records(SELECT_PAGE, (since, mailbox_id, since, since, limit))
        if not records:
            return [], None, GENESIS
        head, hash_at_since = records[0][8], records[0][9]
        return [row_from(record[:8]) for record in records if record[0] is not None], head, hash_at_since or GENESIS

    def _records(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        """Asked again, once, where the connection had died while it lay idle. An outage is raised as psycopg's own
        error, which everybody here waits out, not as the library's, which nobody knows."""
        try:
            with self.datastore.get_connection() as connection:
                try:
                    return _fetched(connection, statement, parameters)
                except psycopg.OperationalError:
                    if not connection.broken:
                        raise
            self.datastore.pool.check()  # the server went away: what else lies there is dead, too
            with self.datastore.get_connection() as connection:
                return _fetched(connection, statement, parameters)
        except PersistenceError as error:
            if isinstance(error.__cause__, psycopg.Error):
                raise error.__cause__ from None
            raise

    def stream(self, mailbox_id: MailboxId, *, since: int = 0, until: int | None = None) -> Iterator[StoredRow]:
        """All rows of a mailbox after `since`, up to and with `until`, read in pages."""
        while rows := self.rows_after(mailbox_id, since, limit=500):
            for row in rows:
                if until is not None and row.seq > until:
                    return
                yield row
            since = rows[-1].seq

    def select_notifications(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Never: a reader of a global order stalls or skips."""
        raise NoGlobalOrderError("there is no order across mailboxes: follow wake-ups (infra.followers)")

    def max_notification_id(self) -> NoReturn:
        """Never, as above."""
        raise NoGlobalOrderError("there is no order across mailboxes: follow wake-ups (infra.followers)")

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> NoReturn:
        """Never, as above."""
        raise NoGlobalOrderError("there is no order across mailboxes: follow wake-ups (infra.followers)")


def _fetched(connection: Connection[Any], statement: str, parameters: tuple[Any, ...]) -> list[Any]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(statement.encode(), parameters, prepare=True, binary=True).fetchall()


def head_of(cursor: Cursor[Any], mailbox_id: str | UUID) -> tuple[int, bytes] | None:
    """Head and head hash of a mailbox, None where there is none."""
    row = cursor.execute("SELECT head, head_hash FROM mailboxes WHERE mailbox_id = %s", (mailbox_id,)).fetchone()
    return None if row is None else (row[0], bytes(row[1]))
