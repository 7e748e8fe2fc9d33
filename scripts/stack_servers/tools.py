"""Foreign programs that fetch and build: found or installed, run to their end, ended when the caller gives up."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from scripts.stack_servers.server import Place, StackError

_APT = threading.Lock()
_LOOK_S = 0.2


def require(program: str, *, debian: str, place: Place) -> None:
    """The program is on PATH; as root on Debian it is installed.

    Raises: StackError, which says what to type.
    """
    if shutil.which(program):
        return
    with _APT:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            place.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            environment = {"DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "-q", "update"], place, environment)
            run(["apt-get", "-q", "install", "-y", "--no-install-recommends", debian], place, environment)
    if not shutil.which(program):
        raise StackError(f"{program} is missing. On Debian type: sudo apt-get install {debian}")


def run(command: list[str | Path], place: Place, environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end; what it says goes to `build.log` in the server's folder.

    Raises: StackError: it failed, or the caller gave up, whereupon it and what it started are ended.
    """
    log = place.folder / "build.log"
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 - programs named here, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )
    while True:
        try:
            code = process.wait(_LOOK_S)
            break
        except subprocess.TimeoutExpired:
            if place.stop.is_set():
                _end_group(process)
                raise StackError("given up") from None
    if code != 0:
        raise StackError(f"{Path(command[0]).name} exited with {code}", log)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """A session of its own, and its leader not yet reaped: the group is nobody else's."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
