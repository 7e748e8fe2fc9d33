"""Kafka as tests find it: topics of their own on the server of `scripts/test --servers`, or a broker of their own."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.kafka.parts import KafkaParts
from infra.settings import load
from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.kafka import Kafka
from scripts.stack_servers.processes import running
from scripts.stack_servers.stack import Stack
from tests.servers import setting


def kafka_variables(*, partitions: int = 3) -> dict[str, str]:
    """The settings that pick the shared server, with topics and groups of one's own."""
    return {
        "LEDGERMAIL_QUEUE": "kafka",
        "LEDGERMAIL_KAFKA": setting("KAFKA"),
        "LEDGERMAIL_KAFKA_PREFIX": f"test-{secrets.token_hex(8)}.",
        "LEDGERMAIL_KAFKA_PARTITIONS": str(partitions),
    }


@contextmanager
def fresh_kafka(variables: dict[str, str] | None = None) -> Iterator[KafkaParts]:
    """Topics of one's own, gone afterwards."""
    parts = KafkaParts(load(variables or kafka_variables()))
    parts.make_topics()
    try:
        yield parts
    finally:
        parts.close()
        with parts.cluster.admin() as admin:
            admin.delete_topics(list(parts.topics.wanted()))


@contextmanager
def own_kafka(folder: Path) -> Iterator["OwnKafka"]:
    """A broker of one's own below `folder`, to be killed, paused, stopped and started again."""
    stack = Stack(Folders(folder / "stack", folders(os.environ).cache), [Kafka()], lambda _server, _what: None)
    own = OwnKafka(stack)
    own.start()
    try:
        yield own
    finally:
        own.stop()


class OwnKafka:
    """A real broker."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def variables(self) -> dict[str, str]:
        """The settings that pick it."""
        return {**self._stack.variables(["kafka"]), "LEDGERMAIL_KAFKA_PARTITIONS": "3"}

    def start(self) -> None:
        """Until it is ready, at the address that it had before."""
        assert self._stack.up(["kafka"]) == {}

    def stop(self) -> None:
        """What it holds stays."""
        assert self._stack.down(["kafka"]) == []

    def signal(self, number: signal.Signals) -> None:
        """To its process."""
        who = running(self._stack.place(self._stack.servers[0]).record)
        assert who is not None
        os.kill(who.pid, number)
