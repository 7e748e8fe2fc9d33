"""Bringing servers up side by side and taking them down: exactly those that were started here."""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scripts.stack_servers.folders import Folders, alone
from scripts.stack_servers.ports import NoPortError, assign, remembered
from scripts.stack_servers.processes import end, running
from scripts.stack_servers.server import Place, Server, StackError
from scripts.stack_servers.starting import launch, wait_until_ready

PATIENCE_S = 30.0

Say = Callable[[str, str], None]
"""Told (server, what happens)."""


@dataclass(frozen=True)
class Stack:
    """The servers of one data folder. Set `stop` to give up what is being started."""

    folders: Folders
    servers: Sequence[Server]
    say: Say
    stop: threading.Event = field(default_factory=threading.Event)
    patience_s: float = PATIENCE_S

    def place(self, server: Server) -> Place:
        """Where a server lies and listens; without ports where it was never started."""
        return Place(server.name, self.folders, remembered(self.folders.ports).get(server.name, {}), self.stop)

    def up(self, names: Sequence[str]) -> dict[str, StackError]:
        """Start those of the named servers that do not run, side by side; server → why it could not.

        Every named server that did not fail is ready on return. What does not get ready is ended.
        """
        named = [server for server in self.servers if server.name in names]
        with alone(self.folders.data) as lock:
            self._assign([server for server in named if running(self.place(server).record) is None])
            with ThreadPoolExecutor(max(len(named), 1), thread_name_prefix="stack") as pool:
                failures = list(pool.map(lambda server: self._up(server, lock), named))
        return {server.name: error for server, error in zip(named, failures, strict=True) if error is not None}

    def down(self, names: Sequence[str]) -> list[str]:
        """End the named servers that run, side by side; those that would not end."""
        named = [server for server in self.servers if server.name in names]
        with alone(self.folders.data), ThreadPoolExecutor(max(len(named), 1)) as pool:
            ended = list(pool.map(self._down, named))
        return [server.name for server, gone in zip(named, ended, strict=True) if not gone]

    def variables(self, names: Sequence[str]) -> dict[str, str]:
        """The settings that pick the named servers, as far as those run."""
        found: dict[str, str] = {}
        for server in self.servers:
            place = self.place(server)
            if server.name in names and running(place.record) is not None:
                found |= server.variables(place)
        return found

    def _assign(self, servers: Sequence[Server]) -> None:
        try:
            assign(self.folders.ports, {server.name: server.purposes for server in servers})
        except NoPortError as error:
            raise StackError(str(error)) from error

    def _up(self, server: Server, lock: int) -> StackError | None:
        place, began = self.place(server), time.monotonic()
        try:
            if running(place.record) is None:
                self._start(server, place, lock)
            wait_until_ready(server, place)
        except StackError as error:
            return error
        except (OSError, subprocess.SubprocessError) as error:
            return StackError(f"{type(error).__name__}: {error}", place.log)
        self.say(
            server.name, f"ready after {time.monotonic() - began:.1f} s at {_address(server, place)}, log {place.log}"
        )
        return None

    def _start(self, server: Server, place: Place, lock: int) -> None:
        place.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.say(server.name, "installing what is missing")
        server.install(place)
        command = server.command(place)
        if self.stop.is_set():
            raise StackError("given up")
        self.say(server.name, "starting")
        launch(command, place, lock)

    def _down(self, server: Server) -> bool:
        place = self.place(server)
        who = running(place.record)
        if who is None:
            place.record.unlink(missing_ok=True)
            return True
        gone = end(who, ask_with=server.ask_with, patience_s=self.patience_s)
        if gone:
            place.record.unlink(missing_ok=True)
            self.say(server.name, "ended")
        return gone


def _address(server: Server, place: Place) -> str:
    return f"127.0.0.1:{place.ports[server.purposes[0]]}"
