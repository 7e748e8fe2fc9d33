"""One server from its command to its first answer."""

import contextlib
import os
import subprocess
import sys
import time

from scripts.stack_servers.folders import ROOT
from scripts.stack_servers.processes import end, running
from scripts.stack_servers.server import Command, Place, Server, StackError

READY_LIMIT_S = 300.0
PATIENCE_S = 30.0
LOG_KEPT_BYTES = 10 * 2**20
_LOOK_S = 0.1


def launch(command: Command, place: Place, lock: int) -> None:
    """Make a process that becomes the server, of a session of its own; its record is there before the server is.

    `lock` is the descriptor of the lock that starting and stopping take.
    """
    _turn_log(place)
    place.record.unlink(missing_ok=True)
    uid, gid = command.user or (os.geteuid(), os.getegid())
    words = [place.record, lock, uid, gid, *command.words]
    with place.log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 - servers named here, no shell
            [sys.executable, "-m", "scripts.stack_servers.launch", *map(str, words)],
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[lock],
            start_new_session=True,
        )
    while not place.record.exists() and process.poll() is None:
        time.sleep(_LOOK_S / 10)


def wait_until_ready(server: Server, place: Place) -> None:
    """Return once the server answers; one that does not in time, or that nobody waits for any more, is ended.

    Raises: StackError, with its log.
    """
    deadline = time.monotonic() + READY_LIMIT_S
    while True:
        who = running(place.record)
        if who is None:
            raise StackError("it ended before it was ready", place.log)
        last = _answer(server, place)
        if last is None:
            return
        given_up = place.stop.wait(_LOOK_S)
        if given_up or time.monotonic() > deadline:
            end(who, ask_with=server.ask_with, patience_s=PATIENCE_S)
            raise (
                StackError("given up")
                if given_up
                else StackError(f"not ready within {READY_LIMIT_S:.0f} s: {last}", place.log)
            )


def _answer(server: Server, place: Place) -> str | None:
    """None where the server is ready, else what came instead of an answer."""
    try:
        return None if server.is_ready(place) else "it answers, but is not ready"
    except Exception as error:  # noqa: BLE001 - each client has its own: until the limit all mean "not yet"
        return f"{type(error).__name__}: {error}"


def _turn_log(place: Place) -> None:
    with contextlib.suppress(FileNotFoundError):
        if place.log.stat().st_size > LOG_KEPT_BYTES:
            place.log.replace(place.log.with_name("log.1"))
