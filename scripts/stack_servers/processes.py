"""Who a process is: ids are given again, but never in the same tick of the same boot."""

import json
import os
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.stack_servers.folders import write_closed

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STATE, _THREADS, _STARTED = 0, 17, 19  # proc_pid_stat(5), fields 3, 20 and 22, counted after the name in brackets


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from every other that ever bore its id; `started` is in clock ticks since the boot."""

    boot: str
    pid: int
    started: int


def identity(pid: int) -> Identity | None:
    """Who the process of this id is; None for one that is no more, or has ended and was not reaped.

    One whose first thread alone has ended lives on: with the others it holds its ports.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    has_ended = fields[_STATE] in "ZX" and int(fields[_THREADS]) <= 1
    return None if has_ended else Identity(_BOOT.read_text().strip(), pid, int(fields[_STARTED]))


def write_identity(record: Path, who: Identity) -> None:
    """Remember a process."""
    write_closed(record, json.dumps(asdict(who)))


def recorded(record: Path) -> Identity | None:
    """The process that is remembered, running or not."""
    try:
        return Identity(**json.loads(record.read_text()))
    except FileNotFoundError:
        return None


def running(record: Path) -> Identity | None:
    """The process that is remembered, where it runs: not one of before a reboot, nor another of the same id."""
    who = recorded(record)
    return who if who is not None and identity(who.pid) == who else None


def end(who: Identity, *, ask_with: signal.Signals, patience_s: float) -> bool:
    """End this very process: asked first, then killed. Whether it is gone; no other is ever signalled."""
    try:
        handle = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return True
    try:
        for number in (ask_with, signal.SIGKILL):
            if identity(who.pid) != who:  # asked once the handle is there: it is this process's, or another's
                return True
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], patience_s)[0]:
                return True
        return False
    finally:
        os.close(handle)
