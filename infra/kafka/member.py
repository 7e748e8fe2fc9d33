"""Reads a topic as one member of a consumer group.

Partitions come and go cooperatively: whoever keeps his goes on meanwhile. The client calls its listener on a thread of
its own that must not wait, so what was taken from us is only noted there, and heeded at the next poll. What we still
have in hand of such a partition is finished; whoever has the partition now does it once more.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition, errors
from kafka.structs import OffsetAndMetadata

from infra.kafka.cluster import KafkaCluster, told_as_unavailable
from infra.kafka.in_hand import InHand, Taken

COMMIT_MS = 2_000
CLOSE_MS = 2_000
COMMIT_PAUSE_S = 5.0
"""After a commit that failed: whoever settles much meanwhile waits for no more of them."""
ASK_MS = 1_000
JOIN_POLL_S = 0.1
FETCH_S = 0.05
TRIM_EVERY_S = 30.0
_log = logging.getLogger(__name__)


class GroupMember:
    """One consumer; it joins its group when first asked. One thread at a time: its caller sees to it."""

    def __init__(
        self, cluster: KafkaCluster, topic: str, group: str, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._group = group
        self._clock_s = clock_s
        self._consumer: Any = None
        self._in_hand = InHand()
        self._early: list[Taken] = []
        self._gone: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._trimmed: dict[int, int] = {}
        self._trim_at = clock_s() + TRIM_EVERY_S
        self._commit_at = clock_s()

    def join(self, stop: threading.Event, *, patience_s: float) -> bool:
        """Be a member that has partitions; false where that took too long, or `stop` was set.

        Raises: KafkaUnavailableError.
        """
        until = time.monotonic() + patience_s
        consumer = self._joined()
        while not consumer.assignment() and time.monotonic() < until and not stop.is_set():
            self._early.extend(self._polled(JOIN_POLL_S, most=1))
        return bool(consumer.assignment())

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Taken]:
        """Records as they come, none twice while we hold their partition; none after `timeout_s`.

        Raises: KafkaUnavailableError.
        """
        early, self._early = self._early[:most], self._early[most:]
        return early or self._polled(timeout_s, most=most)

    def fetch(self, *, most: int, patience_s: float) -> Sequence[Taken]:
        """Records that lie there now; none only where all was polled, or after `patience_s`.

        Raises: KafkaUnavailableError.
        """
        until = time.monotonic() + patience_s
        while not (found := self.poll(FETCH_S, most=most)):
            if self.is_caught_up() or time.monotonic() > until:
                break
        return found

    def _polled(self, timeout_s: float, *, most: int) -> list[Taken]:
        with told_as_unavailable():
            consumer = self._joined()
            found = consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=most)
        _go_on_joining(consumer)
        self._forget_gone()
        came = [
            Taken(place.partition, record.offset, record.key, record.value)
            for place, records in found.items()
            for record in records
        ]
        return [taken for taken in came if self._in_hand.take(taken)]

    def is_caught_up(self) -> bool:
        """Whether all was polled that lies in our partitions now; also while they cannot be asked."""
        try:
            consumer = self._joined()
            ours = list(consumer.assignment())
            ends = consumer.end_offsets(ours, timeout_ms=ASK_MS) if ours else {}
            return all((consumer.position(place, timeout_ms=ASK_MS) or 0) >= end for place, end in ends.items())
        except (errors.KafkaError, ConnectionError) as error:
            _log.info("%s cannot be asked for its ends: %s", self._topic, error)
            return True

    def highwater(self, partition: int) -> int | None:
        """Where the partition ends, as it was when a record of it was last polled."""
        place = TopicPartition(self._topic, partition)
        consumer = self._joined()
        found: int | None = consumer.highwater(place) if place in consumer.assignment() else None
        return found

    def has_more(self) -> bool:
        """Whether more lies behind what came, as far as the brokers' last answers told: nobody is asked."""
        return any((self.highwater(place) or 0) > reached for place, reached in self._in_hand.reached().items())

    def settle(self, taken: Iterable[Taken]) -> None:
        """Nothing is left to do for these; `commit` tells the brokers."""
        for one in taken:
            self._in_hand.settle(one)

    def commit(self) -> bool:
        """Tell the brokers how far we are; false where they could not be told, which the next commit makes good.

        What was not told is done again by whoever takes over.
        """
        return self._clock_s() >= self._commit_at and self._commit()

    def _commit(self) -> bool:
        self._forget_gone()
        offsets = self._in_hand.committable()
        if not offsets or self._consumer is None:
            return True
        told = {TopicPartition(self._topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
        try:
            self._consumer.commit(told, timeout_ms=COMMIT_MS)
        except errors.KafkaError as error:
            _log.info("%s: not committed yet: %s", self._group, error)
            self._commit_at = self._clock_s() + COMMIT_PAUSE_S
            return False
        self._in_hand.committed(offsets)
        return True

    def trim_now_and_then(self) -> None:
        """Every half minute, have the brokers delete what was committed."""
        if self._clock_s() >= self._trim_at:
            self._trim_at = self._clock_s() + TRIM_EVERY_S
            self.trim()

    def trim(self) -> None:
        """Have the brokers delete what was committed; what they cannot be told now they are told later."""
        below = {p: offset for p, offset in self._in_hand.done_below().items() if self._trimmed.get(p) != offset}
        if not below:
            return
        places = {TopicPartition(self._topic, p): offset for p, offset in below.items()}
        try:
            with self._cluster.admin() as admin:
                admin.delete_records(places, timeout_ms=COMMIT_MS)
        except ConnectionError as error:
            _log.info("%s: what is done was not deleted yet: %s", self._topic, error)
        else:
            self._trimmed |= below

    def close(self) -> None:
        """Commit, and leave the group, so that others take over at once."""
        self._commit()
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            try:
                consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            except errors.KafkaError as error:
                _log.info("%s was left without a word: %s", self._group, error)

    def _joined(self) -> Any:
        if self._consumer is None:
            self._consumer = self._cluster.consumer(self._group)
            self._consumer.subscribe([self._topic], listener=_Listener(self._gone))
        return self._consumer

    def _forget_gone(self) -> None:
        while not self._gone.empty():
            self._in_hand.forget(self._gone.get())


def _go_on_joining(consumer: Any) -> None:
    """The client forgets a join that a poll's time ended in the middle of, where new partitions had called for it: it
    would wait for ever, without heartbeats. Asked to join, it goes on with that join."""
    if consumer._coordinator.rejoining:
        consumer._coordinator.request_rejoin()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped client
    """Notes partitions that went to others."""

    def __init__(self, gone: "queue.SimpleQueue[int]") -> None:
        self._gone = gone

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        for place in revoked:
            self._gone.put(place.partition)

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self.on_partitions_revoked(lost)

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """They begin where their last owner had committed."""
