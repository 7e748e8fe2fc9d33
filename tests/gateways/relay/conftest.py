"""The post office of these tests, its world, and one host in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import dns_zone, smtp_sink
from tests.contracts.queue import Clock
from tests.dns_zone import Zone
from tests.gateways.relay.attempts import Attempts
from tests.post_office import post_office
from tests.relay_world import RelayWorld
from tests.smtp_sink import Sink


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink() -> Sink:
    """mx.far.test, for far.test."""
    return Sink()


@pytest.fixture
def backup() -> Sink:
    """mx2.far.test, asked after the other."""
    return Sink()


@pytest.fixture
def zone() -> Zone:
    return Zone(
        {
            "far.test": [("MX", (10, "mx.far.test")), ("MX", (20, "mx2.far.test"))],
            "mx.far.test": [("A", "127.0.0.2")],
            "mx2.far.test": [("A", "127.0.0.3")],
            "other.test": [("MX", (10, "mx2.far.test"))],
        }
    )


@pytest.fixture
def world(
    database_url: str, data_folder: Path, clock: Clock, sink: Sink, backup: Sink, zone: Zone
) -> Iterator[RelayWorld]:
    with (
        post_office(database_url, data_folder, clock_ms=clock) as office,
        dns_zone.serving(zone) as dns,
        smtp_sink.serving((sink, "127.0.0.2"), (backup, "127.0.0.3")) as port,
    ):
        office.open_mailbox("m1", "ann@example.test")
        office.open_mailbox("m2", "carl@example.test")
        yield RelayWorld(office, clock, dns, port=port)


@pytest.fixture
def attempts(zone: Zone, sink: Sink, backup: Sink) -> Iterator[Attempts]:
    with (
        dns_zone.serving(zone) as dns,
        smtp_sink.serving((sink, "127.0.0.2"), (backup, "127.0.0.3")) as port,
    ):
        yield Attempts(dns, port)
