"""The real servers that `scripts/test --servers` brought up, as tests find them."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.server import OpenSearchServer
from infra.s3_bucket import Bucket
from infra.s3_client import S3Server
from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.opensearch import OpenSearch
from scripts.stack_servers.processes import running
from scripts.stack_servers.s3 import S3
from scripts.stack_servers.server import Server
from scripts.stack_servers.stack import Stack


def setting(name: str) -> str:
    """What `scripts/stack env` said of a setting, named without its prefix."""
    return os.environ[f"LEDGERMAIL_TEST_{name}"]


def s3_server() -> S3Server:
    """The S3 server."""
    return S3Server(
        endpoint=setting("S3_ENDPOINT"),
        region=setting("S3_REGION"),
        access_key=setting("S3_ACCESS_KEY"),
        secret_key=setting("S3_SECRET_KEY"),
    )


def opensearch_server() -> OpenSearchServer:
    """The OpenSearch."""
    return OpenSearchServer(urls=(setting("OPENSEARCH"),))


@contextmanager
def fresh_search(server: OpenSearchServer | None = None) -> Iterator[OpenSearchGenerations]:
    """Generations under a prefix of one's own, gone afterwards."""
    client = (server or opensearch_server()).client()
    generations = OpenSearchGenerations(client, f"test-{secrets.token_hex(6)}", "epoch", shards=2)
    try:
        yield generations
    finally:
        client.transport.perform_request("DELETE", f"/{generations.alias}-*")
        client.transport.perform_request("DELETE", f"/_index_template/{generations.alias}", params={"ignore": 404})
        client.close()


@contextmanager
def fresh_bucket() -> Iterator[Bucket]:
    """A bucket of one's own, gone afterwards."""
    bucket = Bucket(s3_server(), f"test-{secrets.token_hex(8)}")
    bucket.client.create_bucket(Bucket=bucket.name)
    try:
        yield bucket
    finally:
        bucket.delete_many(list(bucket.names("")))
        bucket.client.delete_bucket(Bucket=bucket.name)
        bucket.client.close()


@contextmanager
def own_s3(folder: Path) -> Iterator["OwnServer"]:
    """An S3 server of one's own below `folder`, to be stopped and started again."""
    with _own(folder, S3()) as own:
        yield own


@contextmanager
def own_opensearch(folder: Path) -> Iterator["OwnServer"]:
    """An OpenSearch of one's own below `folder`."""
    with _own(folder, OpenSearch()) as own:
        yield own


@contextmanager
def _own(folder: Path, server: Server) -> Iterator["OwnServer"]:
    own = OwnServer(Stack(Folders(folder / "stack", folders(os.environ).cache), [server], lambda _server, _what: None))
    own.start()
    try:
        yield own
    finally:
        own.stop()


class OwnServer:
    """A real server."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._name = stack.servers[0].name

    @property
    def variables(self) -> dict[str, str]:
        """The settings that pick it."""
        return self._stack.variables([self._name])

    def start(self) -> None:
        """Until it is ready, at the address that it had before."""
        assert self._stack.up([self._name]) == {}

    def stop(self) -> None:
        """What it holds stays."""
        assert self._stack.down([self._name]) == []

    def kill(self) -> None:
        """At once; it is gone on return."""
        self.signal(signal.SIGKILL)
        assert self._stack.down([self._name]) == []

    def signal(self, number: signal.Signals) -> None:
        """To its process."""
        who = running(self._stack.place(self._stack.servers[0]).record)
        assert who is not None
        os.kill(who.pid, number)
