"""What the stack must know of a server."""

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from scripts.stack_servers.folders import Folders
from scripts.stack_servers.ports import Ports


class StackError(Exception):
    """Why something does not run: one line, and the log that says more, where there is one."""

    def __init__(self, reason: str, log: Path | None = None) -> None:
        super().__init__(reason)
        self.log = log


@dataclass(frozen=True, slots=True)
class Place:
    """A server's own folder, its ports, and what is shared: the cache, and the event that says to give up."""

    name: str
    folders: Folders
    ports: Ports
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def folder(self) -> Path:
        """Its data."""
        return self.folders.of(self.name)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "log"

    @property
    def record(self) -> Path:
        """Who its process is."""
        return self.folder / "process.json"


@dataclass(frozen=True, slots=True)
class Command:
    """What becomes the server; `environment` comes beside PATH, a user of None is the caller."""

    words: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None


class Server(Protocol):
    """One server. Methods are called in this order; `variables` also for a server that was started before."""

    @property
    def name(self) -> str:
        """How the command line, its folder and its log lines call it."""
        ...

    @property
    def purposes(self) -> tuple[str, ...]:
        """What it needs ports for; the first is the one that clients use."""
        ...

    @property
    def ask_with(self) -> signal.Signals:
        """The signal at which it ends in peace."""
        ...

    def install(self, place: Place) -> None:
        """Fetch or build what is missing.

        Raises: StackError
        """
        ...

    def command(self, place: Place) -> Command:
        """Write its configuration, make its data where there is none, say how to start it.

        Raises: StackError
        """
        ...

    def is_ready(self, place: Place) -> bool:
        """Whether it answers in its own protocol, and holds what clients expect (a database, a bucket).

        Raises: OSError, or what its client raises: not yet.
        """
        ...

    def variables(self, place: Place) -> dict[str, str]:
        """The settings that pick it: name → value."""
        ...
