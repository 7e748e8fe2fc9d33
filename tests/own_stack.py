"""All servers of the profile, a test's own: to be killed, paused, stopped and started again."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.kafka import Kafka
from scripts.stack_servers.opensearch import OpenSearch
from scripts.stack_servers.postgres import Postgres
from scripts.stack_servers.processes import running
from scripts.stack_servers.redis import Redis
from scripts.stack_servers.s3 import S3
from scripts.stack_servers.server import Server
from scripts.stack_servers.stack import Stack


class OwnStack:
    """Real servers, each at the address that it had first, whatever becomes of it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._names = [server.name for server in stack.servers]

    @property
    def variables(self) -> dict[str, str]:
        """The settings that pick those that run."""
        return self._stack.variables(self._names)

    def start(self, *names: str) -> None:
        """Until they are ready; all of them, where none is named."""
        assert self._stack.up(names or self._names) == {}

    def stop(self) -> None:
        """In peace, and also those that were paused; what they hold stays."""
        for name in self._names:
            self.signal(name, signal.SIGCONT)
        assert self._stack.down(self._names) == []

    def kill(self, name: str) -> None:
        """At once, with all its processes; gone on return."""
        self.signal(name, signal.SIGKILL)
        assert self._stack.down([name]) == []

    def signal(self, name: str, number: signal.Signals) -> None:
        """To each of its processes, the first one first: so it has no more of them."""
        (server,) = (one for one in self._stack.servers if one.name == name)
        who = running(self._stack.place(server).record)
        for pid in [] if who is None else [who.pid, *_below(who.pid)]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def redis(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis.from_url(self.variables["LEDGERMAIL_REDIS"])


def _below(parent: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{parent}/task").iterdir())
        children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid for child in children for pid in (child, *_below(child))]


@contextmanager
def own_stack(folder: Path, *servers: Server) -> Iterator[OwnStack]:
    """The servers, running, their data below `folder`; all five where none is named."""
    named = servers or (Postgres(), Kafka(), OpenSearch(), S3(), Redis())
    own = OwnStack(Stack(Folders(folder / "stack", folders(os.environ).cache), named, lambda _server, _what: None))
    try:
        own.start()
        yield own
    finally:
        own.stop()
