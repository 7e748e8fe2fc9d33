"""The real servers of the server profile: a stack of the run's own, up until its end."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from scripts.stack_servers.__main__ import SERVERS
from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.processes import running
from scripts.stack_servers.stack import Stack

LEFT_OUT = ("clamav",)
"""What the embedded profile has nothing like: a comparison with it would measure a scanner."""
NAMES = tuple(server.name for server in SERVERS if server.name not in LEFT_OUT)
TOLD_APART = ("kafka", "opensearch", "s3", "redis")
"""Whose CPU is shown beside the service's and that of Postgres."""


class ServersError(Exception):
    """The servers did not come up."""


class Servers(msgspec.Struct, frozen=True):
    """The settings that pick the servers, and the process of each but Postgres, by name."""

    variables: Mapping[str, str]
    pids: Mapping[str, int]


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """The servers of `scripts/stack` with their data below `folder`; ended afterwards. Raises: ServersError."""
    at = Folders(folder, folders(os.environ).cache)
    stack = Stack(at, SERVERS, lambda _server, _what: None)
    try:
        _stack(at, "up", *NAMES)
        yield Servers(stack.variables(NAMES), _pids(stack))
    finally:
        _stack(at, "down")
        _remove_elsewhere(folder)


def _stack(at: Folders, what: str, *names: str) -> None:
    """A process of its own: an interrupted run gives up what is not ready yet, and nothing that was started is lost."""
    command = [str(Path(__file__).parents[1] / "stack"), what, *names]
    environment = os.environ | {"STACK_DATA": str(at.data), "STACK_CACHE": str(at.cache)}
    if subprocess.run(command, env=environment, check=False).returncode != 0:  # noqa: S603 - this program's own
        raise ServersError(f"scripts/stack {what} failed; what it said is above")


def _pids(stack: Stack) -> dict[str, int]:
    found = {server.name: running(stack.place(server).record) for server in stack.servers if server.name in TOLD_APART}
    return {name: who.pid for name, who in found.items() if who is not None}


def _remove_elsewhere(folder: Path) -> None:
    """What Postgres keeps outside, where its user could not enter the folder."""
    home = folder / "postgres" / "home"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
