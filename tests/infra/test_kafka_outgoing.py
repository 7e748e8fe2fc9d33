"""What is due to leave, by Kafka."""

import threading
from collections.abc import Iterator

import pytest

from gateways.outgoing import OutgoingMail
from infra.kafka.outgoing import KafkaOutgoing
from infra.kafka.parts import KafkaParts
from tests.contracts.outgoing import OutgoingContract, due, take_until
from tests.kafka_servers import fresh_kafka

pytestmark = pytest.mark.servers


@pytest.fixture
def kafka() -> Iterator[KafkaParts]:
    with fresh_kafka() as parts:
        yield parts


@pytest.fixture
def takers(kafka: KafkaParts) -> Iterator["KafkaTakers"]:
    made = KafkaTakers(kafka)
    yield made
    for one in made.made:
        one.close()


class KafkaTakers:
    """Each a member of the group."""

    def __init__(self, kafka: KafkaParts) -> None:
        self._kafka = kafka
        self.made: list[KafkaOutgoing] = []

    def __call__(self) -> KafkaOutgoing:
        made = self._kafka.outgoing()
        assert made._member.join(threading.Event(), patience_s=30)
        self.made.append(made)
        return made

    def go(self, taker: OutgoingMail) -> None:
        assert isinstance(taker, KafkaOutgoing)
        taker._member._consumer.close(autocommit=False, timeout_ms=3_000)
        self.made.remove(taker)


class TestKafkaOutgoing(OutgoingContract):
    pass


def test_what_cannot_be_read_stops_nobody(takers: KafkaTakers, kafka: KafkaParts) -> None:
    taker, given = takers(), due()
    kafka.publisher.publish(kafka.topics.outgoing, [(given.domain, b"\xc1"), (given.domain, b"")])
    taker.put_all([given])
    assert take_until(taker, len) == [given]
    taker.done([given])
    assert taker._member._in_hand.committable() == {}
