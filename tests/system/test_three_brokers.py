"""Three Kafka brokers, each record on all three: one is killed, and mail goes on coming in and being delivered."""

from collections.abc import Iterator

import pytest

from infra.kafka.parts import KafkaParts
from infra.settings import load
from scripts.stack_servers.kafka import Kafka
from tests.conftest import temporary_data_folder
from tests.own_stack import OwnStack, own_stack
from tests.system.http_crowd import Person
from tests.system.ingest import Ingest
from tests.system.service import installation, until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

BROKERS = 3


@pytest.fixture
def brokers() -> Iterator[OwnStack]:
    with temporary_data_folder() as folder, own_stack(folder, *(Kafka(n + 1, BROKERS) for n in range(BROKERS))) as own:
        yield own


def in_step(settings: dict[str, str]) -> set[int]:
    """How many brokers have all that was accepted, by partition."""
    kafka = KafkaParts(load(settings))
    with kafka.cluster.admin() as admin:
        (found,) = admin.describe_topics([kafka.topics.incoming])
    kafka.close()
    return {len(partition["isr_nodes"]) for partition in found["partitions"]}


def arrived(person: Person) -> int:
    return int(person.get("/v1/counts")["INBOX"]["total"])


def test_ingest_goes_on_though_one_of_three_brokers_is_killed(brokers: OwnStack) -> None:
    settings = brokers.variables | {"LEDGERMAIL_KAFKA_REPLICATION": "3", "LEDGERMAIL_KAFKA_PARTITIONS": "3"}
    with installation(settings=settings) as service:
        service.start(within_s=120)
        ingest = Ingest(service)
        ingest.goes_on()
        for victim in ("kafka-1", "kafka-3"):
            brokers.kill(victim)
            ingest.goes_on(count=60)
            before = [arrived(person) for person in ingest.people]
            ingest.goes_on()
            until(lambda: all(arrived(p) > n for p, n in zip(ingest.people, before, strict=True)), within_s=60)  # noqa: B023
            brokers.start(victim)
            until(lambda: in_step(settings) == {BROKERS}, within_s=60, what="all three have all")
        ingest.assert_nothing_is_lost_or_doubled()
        assert service.stop()[0] == 0
