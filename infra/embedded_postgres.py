"""The Postgres that comes with the program: the first process of a data folder starts it, the last one out stops it.

Each process that uses it holds a shared lock on `postgres/lock`; whoever leaves and then gets that lock for itself
alone is the last. Starting and stopping exclude each other by `postgres/start.lock`. Both are `flock`s, so a killed
process holds nothing. The server has a session of its own: Ctrl-C in a terminal reaches the program, which drains
while its database is still there.
"""

import fcntl
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.postgres_account import PostgresError
from infra.postgres_cluster import PORT, START_LIMIT_S, SUPERUSER, Cluster, cluster_in

__all__ = ["DATABASE", "EmbeddedPostgres", "PostgresError"]

DATABASE = "ledgermail"
LOOK_AFTER_S = 1.0
OPEN_LOCK = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # no child inherits it, no link leads root astray
_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One process's hold on the embedded Postgres of a data folder."""

    def __init__(self, data_folder: Path, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """A server that somebody else has just stopped is not started again for a process that `is_stopping`."""
        self._data_folder = data_folder
        self._is_stopping = is_stopping
        self._cluster: Cluster | None = None
        self._lock: int | None = None
        self._holder = 0

    def start(self) -> str:
        """The libpq URL of the database `ledgermail`, on a server that was running or is now; safe to repeat.

        Raises:
            PostgresError: one line that says why not and, where there is one, names the log.
        """
        try:
            cluster = self._cluster = self._cluster or cluster_in(self._data_folder)
            with _alone(cluster.home / "start.lock"):
                if self._is_stopping() and cluster.postmaster() is None:
                    raise PostgresError(f"the embedded Postgres in {self._data_folder} is not started any more")
                self._hold(cluster)
                try:
                    return _ready(cluster)
                except BaseException:
                    self._release()
                    raise
        except (OSError, subprocess.SubprocessError, psycopg.Error) as error:
            raise PostgresError(f"the embedded Postgres in {self._data_folder} cannot start: {error}") from error

    def look_after(self, stop: threading.Event, *, every_s: float = LOOK_AFTER_S) -> None:
        """Start the server again whenever it died (killed, out of memory, its disk full), until `stop`.

        Any number of processes may do so at once: one of them starts it.
        """
        said = ""
        while not stop.wait(every_s):
            cluster = self._cluster
            if cluster is None or cluster.postmaster() is not None:
                continue
            try:
                self.start()
            except PostgresError as error:
                if str(error) != said:
                    said = str(error)
                    _log.error("%s", error)
            else:
                said = ""
                _log.warning("the embedded Postgres had died and runs again")

    def stop(self) -> None:
        """Let go of the server, and stop it where nobody else uses it; safe to repeat."""
        cluster, lock = self._cluster, self._lock
        if cluster is None or lock is None:
            return
        if os.getpid() != self._holder:  # a forked child shares its parent's lock: it must not decide for it
            self._release()
            return
        with _alone(cluster.home / "start.lock"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                cluster.shut_down()
            finally:
                self._release()

    def kill(self) -> None:
        """End every process of the server with SIGKILL, as a crash would (the hold on it stays; for crash tests)."""
        if self._cluster is not None:
            self._cluster.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _hold(self, cluster: Cluster) -> None:
        if self._lock is None:
            self._lock = os.open(cluster.home / "lock", OPEN_LOCK, 0o600)
            self._holder = os.getpid()
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = os.open(path, OPEN_LOCK, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _ready(cluster: Cluster) -> str:
    cluster.create()
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        socket = cluster.running_socket()
        if socket is None and cluster.postmaster() is None:
            cluster.launch()
        elif socket is not None and _ensure_database(socket):
            return _url(socket, DATABASE)
        elif time.monotonic() > deadline:
            raise PostgresError(f"the running Postgres answers nobody (log: {cluster.log})")
        else:
            time.sleep(0.02)


def _ensure_database(socket: Path) -> bool:
    try:
        connection = psycopg.connect(_url(socket, "postgres"), autocommit=True, connect_timeout=10)
    except psycopg.OperationalError:  # it is starting, recovering or going down: the caller looks again
        return False
    with connection:
        try:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.OperationalError:
            if not connection.broken:
                raise
            return False  # it was killed in the middle of it: the caller looks again
    return True


def _url(socket: Path, database: str) -> str:
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(socket), safe='')}&port={PORT}"
