"""Puts every record of Kafka topics in once more, as a producer or a broker that forgot that it had it would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import TopicPartition

from infra.kafka.parts import KafkaParts

AGAIN = ("again", b"")
"""The header of a copy, which is not put in a third time."""


class Repeater:
    """Reads topics from now on, in a thread of its own."""

    def __init__(self, kafka: KafkaParts) -> None:
        self.repeated = dict.fromkeys([kafka.topics.incoming, kafka.topics.events], 0)
        self._producer = kafka.cluster.producer()
        self._consumer = kafka.cluster.consumer("repeater")
        topics = {topic: self._consumer.partitions_for_topic(topic) for topic in self.repeated}
        places = [TopicPartition(topic, partition) for topic, found in topics.items() for partition in found]
        self._consumer.assign(places)
        self._consumer.seek_to_end(*places)
        for place in places:
            self._consumer.position(place)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="repeater", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Put in what was read."""
        self._stop.set()
        self._thread.join(30)
        self._producer.close()
        self._consumer.close(autocommit=False)

    def _run(self) -> None:
        while not self._stop.is_set():
            for place, records in self._consumer.poll(timeout_ms=100).items():
                for record in records:
                    if AGAIN not in (record.headers or ()):
                        self._repeat(place, record)

    def _repeat(self, place: TopicPartition, record: object) -> None:
        self._producer.send(place.topic, key=record.key, value=record.value, partition=place.partition, headers=[AGAIN])
        self.repeated[place.topic] += 1


@contextmanager
def every_record_twice(kafka: KafkaParts) -> Iterator[Repeater]:
    """As long as the block lasts."""
    repeater = Repeater(kafka)
    try:
        yield repeater
    finally:
        repeater.close()
