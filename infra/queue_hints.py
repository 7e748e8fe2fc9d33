"""Wakes a worker when something was put into the queue: LISTEN as a hint, its patience as the poll behind it.

On one machine a datagram is the hint, and LISTEN is for when that fails (`infra.local_wakes` says why).

The same connection holds an advisory lock under the worker's name: while it stands, the worker is known to live, and
its leases last, whichever machine it is on. Those of a worker that was killed end when the next one begins, or when the
timers look next (`PostgresQueue.end_leases_of_the_dead`).
"""

import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from gateways.queue import Leased, Queue
from infra.datagrams import Ear
from infra.passing_queue import PassingQueue
from infra.postgres_queue import ATTENDANCE, ATTENDS, CHANNEL, KIND

PROBED = (
    "SELECT set_config('tcp_keepalives_' || name, value, false)"
    " FROM (VALUES ('idle', '10'), ('interval', '5'), ('count', '3')) AS wanted (name, value)"
)
"""The server learns within half a minute that the worker's machine has vanished; without it, after two hours."""

LOOKS = 20
"""How often those that go on coming are looked for."""


class QueueHints:
    """One listening connection, for one worker and its thread."""

    def __init__(self, conninfo: str, worker: str, *, folder: Path | None = None) -> None:
        """`folder`: where the processes of this machine speak to each other."""
        self._conninfo = conninfo
        self._worker = worker
        self._ear = None if folder is None else Ear(folder, KIND)
        self._connection: Connection[Any] | None = None

    def attend(self) -> None:
        """Be known to live. Before every lease: a worker that lost this connection is known no more.

        A hint that came meanwhile is answered by that very lease.

        Raises: psycopg.OperationalError
        """
        try:
            self._forget_hints()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._lose()
            self._listening()

    def wait(self, timeout_s: float) -> None:
        """Return at the next hint, or after `timeout_s`; also, after that time, while the server does not answer."""
        until = time.monotonic() + timeout_s
        try:
            heard = select.poll()
            heard.register(self._listening(), select.POLLIN)
            if self._ear is not None:
                heard.register(self._ear, select.POLLIN)
            while (left_s := until - time.monotonic()) > 0:
                if heard.poll(left_s * 1000) and self._hinted():
                    return
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._lose()
            time.sleep(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Stop listening."""
        self._lose()
        if self._ear is not None:
            self._ear.close()

    def _hinted(self) -> bool:
        """Whether there was a hint, of which there are none now."""
        near = [] if self._ear is None else self._ear.heard(0)
        return len([*near, *self._listening().notifies(timeout=0)]) > 0

    def _forget_hints(self) -> None:
        """As long as there is anything to read: that the connection was cut stands behind all else."""
        self._hinted()
        heard = select.poll()
        heard.register(self._listening(), select.POLLIN)
        for _ in range(LOOKS):
            if not heard.poll(0):
                return
            self._hinted()

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listening(self) -> Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._connection.execute(PROBED)
            self._connection.execute(ATTENDS, (ATTENDANCE, self._worker))
            self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection


class AttendedQueue(PassingQueue):
    """The queue of one worker, who attends whenever it leases: what it holds is taken for nobody else's."""

    def __init__(self, queue: Queue, hints: QueueHints) -> None:
        super().__init__(queue)
        self._hints = hints

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """See `Queue.lease`. Raises: psycopg.OperationalError, while it cannot attend."""
        self._hints.attend()
        return self._queue.lease(worker, limit=limit, lease_s=lease_s)
