"""How the views read: one short statement on a pooled connection, rows as tuples, JSON as the bytes it is."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from infra.store.row_loading import read_json_as_raw


def reading_pool(conninfo: str, *, max_size: int = 8) -> ConnectionPool[Connection[TupleRow]]:
    """Autocommit connections for reading, opened when first used, checked when lent."""
    return ConnectionPool(
        conninfo,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=max_size,
        configure=_configure,
        open=True,
        timeout=10.0,
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
    """Runs statements on the pool."""

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]]) -> None:
        self._pool = pool

    def all(self, statement: str, parameters: Sequence[Any]) -> list[TupleRow]:
        """Every row."""
        with self._pool.connection() as connection:
            return connection.execute(statement.encode(), parameters, prepare=True).fetchall()

    def one(self, statement: str, parameters: Sequence[Any]) -> TupleRow | None:
        """The first row, if there is one."""
        with self._pool.connection() as connection:
            return connection.execute(statement.encode(), parameters, prepare=True).fetchone()

    def run(self, statement: str, parameters: Sequence[Any]) -> None:
        """One statement that answers nothing."""
        with self._pool.connection() as connection:
            connection.execute(statement.encode(), parameters, prepare=True)

    def snapshot(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[list[TupleRow]]:
        """Every row of each statement, all as of one moment."""
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return [connection.execute(text.encode(), given, prepare=True).fetchall() for text, given in statements]
