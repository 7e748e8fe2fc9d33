"""Wakes a worker when something was put into the queue: LISTEN as a hint, its patience as the poll behind it."""

import time
from typing import Any

import psycopg
from psycopg import Connection

from infra.postgres_queue import CHANNEL


class QueueHints:
    """One listening connection, for one thread."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection[Any] | None = None

    def wait(self, timeout_s: float) -> None:
        """Return at the next hint, or after `timeout_s`; also, after that time, while the server does not answer."""
        until = time.monotonic() + timeout_s
        try:
            for _hint in self._listening().notifies(timeout=timeout_s, stop_after=1):
                return
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.close()
            time.sleep(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Stop listening; the next wait begins again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listening(self) -> Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection
