"""A real Redis: the one that all tests share, and one of a test's own to be stopped, killed, halted and filled."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from infra.caches.names import Names
from infra.redis_server.server import RedisServer
from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.processes import running
from scripts.stack_servers.redis import Redis
from scripts.stack_servers.stack import Stack
from tests.servers import setting


@contextmanager
def shared_redis() -> Iterator[RedisServer]:
    """The one that `scripts/test --servers` brought up; names of one's own keep tests apart."""
    server = RedisServer(setting("REDIS"), timeout_s=5.0)
    try:
        yield server
    finally:
        server.close()


def fresh_names() -> Names:
    """As of another installation."""
    return Names(secrets.token_bytes(32))


class OwnRedis:
    """A Redis that its test may do anything to."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def variables(self) -> dict[str, str]:
        """The settings that pick it."""
        return self._stack.variables(["redis"])

    @property
    def client(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis.from_url(self.variables["LEDGERMAIL_REDIS"])

    def start(self) -> None:
        """Until it is ready, empty, at the address that it had before."""
        assert self._stack.up(["redis"]) == {}

    def stop(self) -> None:
        """In peace."""
        assert self._stack.down(["redis"]) == []

    def kill(self) -> None:
        """At once, and gone on return."""
        self.signal(signal.SIGKILL)
        self.stop()

    def signal(self, number: signal.Signals) -> None:
        """To its process."""
        who = running(self._stack.place(self._stack.servers[0]).record)
        assert who is not None
        os.kill(who.pid, number)

    def fill(self) -> None:
        """It has no memory left and throws nothing away for more."""
        with self.client as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")

    def drain(self) -> None:
        """It has memory again."""
        with self.client as client:
            client.config_set("maxmemory", "0")


@contextmanager
def own_redis(folder: Path) -> Iterator[OwnRedis]:
    """A Redis below `folder`, ended afterwards."""
    own = OwnRedis(Stack(Folders(folder / "stack", folders(os.environ).cache), [Redis()], lambda _server, _what: None))
    own.start()
    try:
        yield own
    finally:
        own.stop()
