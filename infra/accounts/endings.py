"""Hearing of ended sessions in time: all that ended before something else came from elsewhere.

What is heard on two connections has no order. So whoever brings news of mailboxes by another way than NOTIFY first
makes a round trip on a connection that listens for endings: those whose end was answered before are heard by then.
"""

from collections.abc import Callable

import psycopg
from psycopg import Connection, Notify
from psycopg.rows import TupleRow

from infra.accounts.ended_sessions import CHANNEL


class Endings:
    """For one thread. `on_ended` takes an account's id; `on_gap` is called whenever endings may have been missed."""

    def __init__(self, conninfo: str, on_ended: Callable[[str], None], on_gap: Callable[[], None]) -> None:
        self._conninfo = conninfo
        self._on_ended = on_ended
        self._on_gap = on_gap
        self._connection: Connection[TupleRow] | None = None

    def catch_up(self) -> None:
        """Hear of all sessions that have ended by now.

        Raises: psycopg.Error, and that is not known.
        """
        try:
            if self._connection is None:
                self._connection = self._listening()
                self._on_gap()
            else:
                self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _listening(self) -> Connection[TupleRow]:
        connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=10)
        connection.add_notify_handler(self._heard)
        connection.execute(f"LISTEN {CHANNEL}".encode())
        return connection

    def _heard(self, notification: Notify) -> None:
        self._on_ended(notification.payload)
