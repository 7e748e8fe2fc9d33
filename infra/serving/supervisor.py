"""Starts the processes of the service, starts again what dies, ends all together within ten seconds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from infra.serving.exit_codes import UNMENDABLE
from infra.serving.signals import on_signals

STOP_S = 9.0
"""How long the processes may take to finish what they hold; what is left then is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
HEALTHY_S = 60.0
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc keeps what each thread freed in an arena of its own: a third of the memory of processes with many threads."""


class _Process:
    """One process of the service and how often it has died lately."""

    def __init__(self, roles: Sequence[str], on_said: Callable[[dict[str, str]], None]) -> None:
        self.roles = tuple(roles)
        self._on_said = on_said
        self._pause_s = FIRST_PAUSE_S
        self._started = 0.0
        self.start_at = 0.0
        self.has_spoken = False
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._started = time.monotonic()
        self.has_spoken = False
        # A session of its own: Ctrl-C reaches the supervisor alone, which ends the processes in order.
        self.running = subprocess.Popen(  # noqa: S603 - this interpreter, role names from a fixed list
            [sys.executable, "-m", "infra.serving.child", *self.roles],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_FEW_ARENAS | os.environ,
            start_new_session=True,
        )
        self._listening = threading.Thread(target=self._listen, args=(self.running,), daemon=True)
        self._listening.start()

    def _listen(self, running: "subprocess.Popen[bytes]") -> None:
        assert running.stdout is not None
        for line in running.stdout:
            self.has_spoken = True
            self._on_said(json.loads(line))

    def died(self) -> None:
        """Note a death: the next start waits, twice as long each time it dies soon after."""
        self.heard_out()
        self._pause_s = FIRST_PAUSE_S if time.monotonic() - self._started > HEALTHY_S else self._pause_s
        self.start_at = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self.running = None

    def heard_out(self) -> None:
        """Return when all has been heard that a process said which has ended."""
        self._listening.join(1.0)


class Supervisor:
    """Keeps the processes of the given roles alive until it is told to stop."""

    def __init__(
        self,
        processes: Sequence[Sequence[str]],
        say: Callable[[str], None],
        *,
        drain_s: float = 0,
        has_certificate: bool = False,
    ) -> None:
        """`drain_s`: what the settings give the processes before they begin to stop. Where there is a certificate they
        read it again on SIGHUP; else that ends the supervisor, as it does any program."""
        self._has_certificate = has_certificate
        self._say = say
        self._stop_s = STOP_S + drain_s
        self._ready: dict[str, str] = {}
        self._all_ready = threading.Event()
        self._stopping = threading.Event()
        self._processes = [_Process(roles, self._note) for roles in processes]
        self._told: set[str] = set()
        self._roles = {role for roles in processes for role in roles}

    def run(self, on_ready: Callable[[dict[str, str]], None]) -> int:
        """Run until SIGTERM or SIGINT; `on_ready` is told once where each role listens. The exit code."""
        on_signals((signal.SIGTERM, signal.SIGINT), self._stop_signal)
        if self._has_certificate:
            on_signals([signal.SIGHUP], self._pass_on_hangup)
        for process in self._processes:
            process.start()
        told = False
        code = 0
        while not self._stopping.is_set():
            if not told and self._all_ready.is_set():
                told = True
                threading.Thread(target=on_ready, args=(dict(self._ready),), daemon=True).start()
            code = self._look_after()
            self._stopping.wait(0.1)
        self._end()
        return code

    def stop(self) -> None:
        """End everything soon."""
        self._stopping.set()

    def _stop_signal(self) -> None:
        if self._stopping.is_set():
            self._kill()
        self._stopping.set()

    def _pass_on_hangup(self) -> None:
        """To the processes that listen: one that has said nothing yet would die of it, and reads the files anyway."""
        for process in self._processes:
            running = process.running
            if running is not None and process.has_spoken:
                running.send_signal(signal.SIGHUP)

    def _note(self, said: dict[str, str]) -> None:
        trouble = said.get("unmendable") or said.get("waiting")
        if trouble is not None:
            kind = trouble if "unmendable" in said else trouble.partition(":")[0]
            if kind not in self._told:  # what troubles all of them is told once, in the words that it had first
                self._told.add(kind)
                self._say(trouble if "unmendable" in said else f"{trouble} (waiting for it)")
            return
        self._ready[said["role"]] = said["address"]
        if self._roles <= self._ready.keys():
            self._all_ready.set()

    def _look_after(self) -> int:
        for process in self._processes:
            if process.running is None:
                if time.monotonic() >= process.start_at:
                    process.start()
                continue
            code = process.running.poll()
            if code == UNMENDABLE and not self._all_ready.is_set():
                process.heard_out()
                self._stopping.set()
                return 1
            if code is not None:
                self._say(f"the process of {', '.join(process.roles)} ended ({code}); it starts again")
                process.died()
        return 0

    def _end(self) -> None:
        deadline = time.monotonic() + self._stop_s
        for process in self._processes:
            if process.running is not None:
                process.running.terminate()
        for process in self._processes:
            if process.running is not None:
                try:
                    process.running.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    self._say(f"the process of {', '.join(process.roles)} did not finish in time and is killed")
                    self._kill()

    def _kill(self) -> None:
        for process in self._processes:
            if process.running is not None and process.running.poll() is None:
                os.kill(process.running.pid, signal.SIGKILL)
