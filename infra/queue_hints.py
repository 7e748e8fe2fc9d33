"""Wakes a worker when something was put into the queue: LISTEN as a hint, its patience as the poll behind it.

The same connection holds an advisory lock under the worker's name: while it stands, the worker is known to live, and
its leases last. Those of a worker that was killed end when the next one begins
(`PostgresQueue.end_leases_of_the_dead`).
"""

import time
from typing import Any

import psycopg
from psycopg import Connection

from infra.postgres_queue import ATTENDANCE, ATTENDS, CHANNEL


class QueueHints:
    """One listening connection, for one worker and its thread."""

    def __init__(self, conninfo: str, worker: str) -> None:
        self._conninfo = conninfo
        self._worker = worker
        self._connection: Connection[Any] | None = None

    def attend(self) -> None:
        """Be known to live from now on. Before the first lease.

        Raises: psycopg.OperationalError
        """
        self._listening()

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
            self._connection.execute(ATTENDS, (ATTENDANCE, self._worker))
            self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection
