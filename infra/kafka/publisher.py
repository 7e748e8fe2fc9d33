"""Writes records: what was published is on the brokers' disks, or an outage is raised."""

import logging
import threading
import time
import zlib
from collections.abc import Sequence
from typing import Any

from kafka import errors

from infra.kafka.cluster import KafkaCluster, KafkaUnavailableError

DELIVERY_MS = 10_000
"""Within which records are acknowledged, or their publishing has failed."""
CLOSE_S = 1.0
PAUSE_S = 1.0
"""After brokers could not be reached: those who queued up behind that attempt need not each make their own."""
BATCH_BYTES = 256 * 1024
MAX_RECORD_BYTES = 512 * 1024
"""What is larger must go another way: brokers take 1 MB with everything around it."""
LINGER_MS = 20
"""Longer than it takes to hand over what belongs together; the flush behind it waits for nobody."""
_log = logging.getLogger(__name__)

Keyed = Sequence[tuple[str, bytes]]
"""Keys and values."""


class Publisher:
    """One producer for the threads of a process. It is made anew after every failure, so that nothing that was given
    up is sent later by its retries."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._producer: Any = None
        self._not_before = 0.0

    def publish(self, topic: str, records: Keyed, *, together: bool = False) -> None:
        """Durable on return. Records of one key go to one partition, in their order; or all to that of the first key.

        Raises:
            KafkaUnavailableError: some may be there, and more may yet come: repeat all of them.
        """
        if not records:
            return
        producer = self._made()
        try:
            self._publish(producer, topic, records, together=together)
        except errors.KafkaError as error:
            self._give_up(producer)
            raise KafkaUnavailableError(f"Kafka did not take {len(records)} records: {error}") from error

    def close(self) -> None:
        """End the producer's threads."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer)

    @staticmethod
    def _publish(producer: Any, topic: str, records: Keyed, *, together: bool) -> None:
        partition = None
        if together:
            partition = partition_of(records[0][0], sorted(producer.partitions_for(topic)))
        sent = [producer.send(topic, key=key.encode(), value=value, partition=partition) for key, value in records]
        producer.flush(timeout=DELIVERY_MS / 1000)
        for one in sent:
            one.get(timeout=0)

    def _made(self) -> Any:
        with self._lock:
            if self._producer is None:
                if time.monotonic() < self._not_before:
                    raise KafkaUnavailableError("Kafka was not reached a moment ago")
                try:
                    self._producer = self._new()
                except KafkaUnavailableError:
                    self._not_before = time.monotonic() + PAUSE_S
                    raise
            return self._producer

    def _new(self) -> Any:
        return self._cluster.producer(
            batch_size=BATCH_BYTES,
            linger_ms=LINGER_MS,
            delivery_timeout_ms=DELIVERY_MS,
            max_block_ms=DELIVERY_MS // 2,
        )

    def _give_up(self, producer: Any) -> None:
        with self._lock:
            if self._producer is producer:
                self._producer = None
        _close(producer)


def partition_of(key: str, partitions: Sequence[int]) -> int:
    """Where records that are flushed together go: by a key, so that its repeats meet."""
    return partitions[zlib.crc32(key.encode()) % len(partitions)]


def _close(producer: Any) -> None:
    """Whatever it holds is given up. Asked to close, the client would first try to send it, and go on if it cannot."""
    producer._sender.force_close()
    producer._sender.join(CLOSE_S)
    try:
        producer.close(timeout=0)
    except errors.KafkaError as error:
        _log.info("a producer ended with what it had not sent: %s", error)
