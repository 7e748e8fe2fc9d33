"""How the views read: one short statement on a pooled connection, rows as tuples, JSON as the bytes it is."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from infra.store.liveliness import RECONNECT_S
from infra.store.row_loading import read_json_as_raw

T = TypeVar("T")
Session = Connection[TupleRow]


def reading_pool(conninfo: str, *, max_size: int = 8) -> ConnectionPool[Connection[TupleRow]]:
    """Autocommit connections for reading, not checked when lent: that were a round trip more; see `Database`."""
    return ConnectionPool(
        conninfo,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=max_size,
        configure=_configure,
        open=True,
        timeout=10.0,
        reconnect_timeout=RECONNECT_S,
        name="views",
    )


def _configure(connection: Connection[Any]) -> None:
    connection.execute("SET plan_cache_mode = force_generic_plan")
    read_json_as_raw(connection)


def of_mailbox(alias: str) -> str:
    """The condition that a row belongs to a mailbox's live generation; takes the mailbox id twice.

    A scalar subquery, not a join, so that the planner knows the index's order to be the list's.
    """
    live = "(SELECT generation FROM mailboxes WHERE mailbox_id = %s)"
    return f"{alias}.mailbox_id = %s AND {alias}.generation = {live}"


class Database:
    """Runs statements on the pool. What reads is asked again, once, where the connection had died while it lay idle."""

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]]) -> None:
        self._pool = pool

    def all(self, statement: str, parameters: Sequence[Any]) -> list[TupleRow]:
        """Every row."""
        return self._read(lambda session: session.execute(statement.encode(), parameters, prepare=True).fetchall())

    def one(self, statement: str, parameters: Sequence[Any]) -> TupleRow | None:
        """The first row, if there is one."""
        return self._read(lambda session: session.execute(statement.encode(), parameters, prepare=True).fetchone())

    def run(self, statement: str, parameters: Sequence[Any]) -> None:
        """One statement that answers nothing."""
        with self._pool.connection() as connection:
            connection.execute(statement.encode(), parameters, prepare=True)

    def snapshot(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[list[TupleRow]]:
        """Every row of each statement, all as of one moment."""
        return self._read(lambda session: _at_one_moment(session, statements))

    def _read(self, ask: Callable[[Session], T]) -> T:
        with self._pool.connection() as connection:
            try:
                return ask(connection)
            except psycopg.OperationalError:
                if not connection.broken:
                    raise
        self._pool.check()  # the server went away: what else lies there is dead, too
        with self._pool.connection() as connection:
            return ask(connection)


def _at_one_moment(session: Session, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[list[TupleRow]]:
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [session.execute(text.encode(), given, prepare=True).fetchall() for text, given in statements]
