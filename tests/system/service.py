"""The whole service as an operator starts it: `ledgermail serve` in processes of its own, stopped or killed."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.composition import Parts
from infra.postgres_cluster import cluster_in
from infra.settings import load
from tests.conftest import temporary_data_folder

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "infra.command_line")
SERVE = (sys.executable, *PROGRAM, "serve")
START_S = 60.0
ROOMY = {
    "LEDGERMAIL_CONNECTIONS_PER_SECOND": "100000",
    "LEDGERMAIL_ACCOUNT_REQUESTS_PER_SECOND": "100000",
    "LEDGERMAIL_ADDRESS_REQUESTS_PER_SECOND": "100000",
    "LEDGERMAIL_MESSAGES_PER_MINUTE": "100000",
    "LEDGERMAIL_MESSAGES_PER_DAY": "100000",
    "LEDGERMAIL_VOLUME_FROM": "0",
    "LEDGERMAIL_UNDO_SECONDS": "0",
}
"""Limits that a test's crowd on one address would meet."""
_SAID = re.compile(r"^  (page and API|SMTP|LMTP) +(?:http://)?([0-9.]+):([0-9]+)/?$")


def until(condition: Callable[[], object], *, within_s: float, what: str = "") -> None:
    """Ask again and again until it holds.

    Raises: AssertionError, when the time is over.
    """
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what or condition}"
        pause.wait(0.02)


PORTS = range(10_240, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens, of those that the system gives to nobody by itself: a service that
    is started again finds them free."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = secrets.choice(PORTS)
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
    return found


class Service:
    """One installation: its data folder, its ports, and its processes while it runs. `log` holds all it says."""

    def __init__(
        self,
        data: Path,
        log: Path,
        *,
        arguments: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        before: Sequence[str] = (),
        python: str = sys.executable,
    ) -> None:
        self.data, self.log = data, log
        self.http, self.smtp, self.lmtp, self.submission, self.submissions = free_ports(5)
        self._program = [python, *PROGRAM]
        self._command = [*before, *self._program, "serve", *arguments]
        self._cwd = cwd
        ports = {"HTTP": self.http, "SMTP": self.smtp, "LMTP": self.lmtp}
        ports |= {"SUBMISSION": self.submission, "SUBMISSIONS": self.submissions}
        own = {"LEDGERMAIL_DATA": str(data)} | {f"LEDGERMAIL_{k}": f"127.0.0.1:{v}" for k, v in ports.items()}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LEDGERMAIL_")}
        self.environment = inherited | ROOMY | own | dict(settings or {})
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.addresses: dict[str, tuple[str, int]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def launch(self) -> None:
        """Start it without waiting."""
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                self._command, env=self.environment, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._said_before = self.log.stat().st_size

    def start(self, *, within_s: float = START_S) -> float:
        """Start it and wait until every role is ready; how many seconds that took."""
        began = time.monotonic()
        self.launch()
        self.wait_ready(within_s=within_s)
        return time.monotonic() - began

    def wait_ready(self, *, within_s: float = START_S) -> None:
        supervisor = self.supervisor
        assert supervisor is not None
        until(lambda: self.is_ready() or supervisor.poll() is not None, within_s=within_s, what="the service is ready")
        assert supervisor.poll() is None, f"it ended with {supervisor.returncode}: {self.said()[-2000:]}"

    def is_ready(self) -> bool:
        """Whether all roles have said so since the last start."""
        if "ledgermail serves." not in self.said():
            return False
        found = [_SAID.match(line) for line in self.said().splitlines()]
        self.addresses = {match[1]: (match[2], int(match[3])) for match in found if match}
        return True

    def lives(self) -> bool:
        """Whether the supervisor does."""
        return self.supervisor is not None and self.supervisor.poll() is None

    def said(self) -> str:
        """What it has said since the last start."""
        return self.log.read_bytes()[self._said_before :].decode(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 30) -> tuple[int, float]:
        """End it by a signal, as an operator does: exit code, and how many seconds that took."""
        assert self.supervisor is not None
        began = time.monotonic()
        self.supervisor.send_signal(number)
        code = self.supervisor.wait(within_s)
        return code, time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to the supervisor alone: nobody ends its processes."""
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait(10)

    def children(self) -> dict[str, int]:
        """Process ids of the supervisor's processes, by their first role."""
        mine = self.supervisor.pid if self.supervisor else 0
        return {role: pid for pid, role in self.processes().items() if _parent(pid) == mine}

    def processes(self) -> dict[int, str]:
        """Every process of this installation and its first role; also those whose supervisor has gone."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"infra.serving.child" in words and self._is_mine(entry):
                        found[int(entry.name)] = words[words.index(b"infra.serving.child") + 1].decode()
        return found

    def _is_mine(self, entry: Path) -> bool:
        return f"LEDGERMAIL_DATA={self.data}".encode() in (entry / "environ").read_bytes().split(b"\0")

    def kill_child(self, role: str) -> bool:
        """SIGKILL to the process that plays the role; whether there was one."""
        pid = self.children().get(role)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid is not None

    def kill_postgres(self) -> bool:
        """SIGKILL to every process of the embedded Postgres, where it is ready; whether it was."""
        cluster = cluster_in(self.data)
        if cluster.running_socket() is None:
            return False
        cluster.kill()
        return True

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.kill()
            self.supervisor.wait(10)
        until(self._kill_what_is_left, within_s=10, what="all processes are gone")
        if (self.data / "postgres").exists():
            cluster_in(self.data).kill()

    def _kill_what_is_left(self) -> bool:
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def run(self, *arguments: str, within_s: float = 120, text: str = "") -> subprocess.CompletedProcess[str]:
        """Another `ledgermail` command on this installation."""
        return subprocess.run(
            [*self._program, *arguments],
            env=self.environment,
            cwd=self._cwd,
            input=text,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        """This installation's parts, in the test's own process."""
        environment = {k: v for k, v in self.environment.items() if k.startswith("LEDGERMAIL_")}
        with Parts(load(environment)) as parts:
            yield parts


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


@contextmanager
def installation(data: Path | None = None, **options: object) -> Iterator[Service]:
    """A service, not started yet. Afterwards nothing of it is left; after a failure its last words are shown."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_data_folder())
        service = Service(data or folder / "data", folder / "said.log", **options)  # type: ignore[arg-type]
        stack.callback(service.end)
        try:
            yield service
        except BaseException:
            if service.log.exists():
                sys.stderr.write(service.log.read_text(errors="replace")[-6000:])
            raise
