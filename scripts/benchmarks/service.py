"""A real `ledgermail serve` on the stage's data folder, on free loopback ports."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scripts.benchmarks import processes
from scripts.benchmarks.report import Figure, absolute
from scripts.benchmarks.stage import Stage, say

START_S = 60.0
STOP_S = 15.0
WITHOUT_FOLLOWERS = "http,smtp,lmtp,delivery,sender,timers"
MEMORY_MB = 300.0


class ServiceFailedError(Exception):
    """The service did not start, or ended."""


class Service:
    """The running service: where it listens, and its processes."""

    def __init__(self, stage: Stage, process: "subprocess.Popen[str]", ports: dict[str, int]) -> None:
        self.stage = stage
        self.pid = process.pid
        self.http, self.smtp, self.lmtp = ports["HTTP"], ports["SMTP"], ports["LMTP"]
        self.postmaster = processes.postmaster(stage.url)
        self._process = process

    def require_alive(self) -> None:
        """Raises: ServiceFailedError."""
        if self._process.poll() is not None:
            raise ServiceFailedError(f"the service ended with {self._process.returncode}")

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds by roles, and of each server."""
        servers = self.stage.servers.pids if self.stage.servers is not None else {}
        return processes.cpu_s(self.pid, {processes.POSTGRES: self.postmaster, **servers})

    def memory(self, row: str, after: str) -> Figure:
        """What all its processes use, without Postgres."""
        used = processes.memory_mb(self.pid)
        split = ", ".join(f"{role} {rss:.0f}/{pss:.0f}" for role, (rss, pss) in used.items())
        whole = sum(pss for _, pss in used.values())
        name = f"memory after {after} (PSS of all processes)"
        return absolute(row, name, whole, "MB", most=MEMORY_MB, note=f"RSS/PSS: {split}")

    def wait_until(self, what: str, reached: Callable[[], bool], *, within_s: float = 180.0) -> bool:
        """Whether it came to that in time."""
        until = time.monotonic() + within_s
        while not reached():
            self.require_alive()
            if time.monotonic() > until:
                say(f"{what}: not within {within_s:.0f} s")
                return False
            time.sleep(0.05)
        return True

    def queue_is_empty(self) -> bool:
        """Whether all that was accepted is delivered, where it waits in the database."""
        return not self.stage.installation.rows("SELECT 1 FROM queue_records LIMIT 1")

    def followers_are_up(self) -> bool:
        """Whether search and contacts have read every log to its head."""
        return not self.stage.installation.rows(
            "SELECT 1 FROM mailboxes b CROSS JOIN (VALUES ('search'), ('contacts')) AS v(view)"
            " LEFT JOIN followers f ON f.mailbox_id = b.mailbox_id AND f.view = v.view"
            " WHERE coalesce(f.applied_seq, 0) < b.head AND f.parked_at IS NULL LIMIT 1"
        )


@contextmanager
def service(stage: Stage, *, only: str = "", environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """The service with all roles or some, and further settings; ended afterwards, whatever happens."""
    ports = {name: _free_port() for name in ("HTTP", "SMTP", "LMTP", "SUBMISSION", "SUBMISSIONS")}
    addresses = {f"LEDGERMAIL_{name}": f"127.0.0.1:{port}" for name, port in ports.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERMAIL_")}
    log = stage.folder / "service.log"
    command = [sys.executable, "-m", "infra.command_line", "serve", *(("--only", only) if only else ())]
    with log.open("a") as errors:
        process = subprocess.Popen(  # noqa: S603 - this program's own
            command,
            env=inherited | addresses | dict(stage.environment) | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, log)
        yield Service(stage, process, ports)
    finally:
        _stop(process)


def _wait_until_ready(process: "subprocess.Popen[str]", log: Path) -> None:
    ready = threading.Event()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, ready), daemon=True).start()
    until = time.monotonic() + START_S
    while not ready.wait(0.1):
        if process.poll() is not None or time.monotonic() > until:
            raise ServiceFailedError(f"the service does not start: {' | '.join(_tail(log))}")


def _read(output: IO[str], ready: threading.Event) -> None:
    for line in output:
        if line.startswith("ledgermail serves"):
            ready.set()


def _tail(log: Path) -> list[str]:
    return [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-3:]


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        for pid in reversed(processes.tree(process.pid)):
            _kill(pid)
        process.wait(STOP_S)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
