"""What lies in a topic and was not committed by its group: how many records, and whether any of them is old."""

import time
from typing import Any

from kafka import TopicPartition, errors
from kafka.admin import OffsetSpec

from infra.kafka.cluster import KafkaCluster

COORDINATOR_S = 5.0
"""How long a cluster whose first group this is may take to make what keeps groups."""

_COORDINATOR_COMES = (
    errors.CoordinatorNotAvailableError,
    errors.CoordinatorLoadInProgressError,
    errors.NotCoordinatorError,
)


class Backlog:
    """Asks the brokers, each time anew."""

    def __init__(self, cluster: KafkaCluster, topic: str, group: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._group = group

    def records(self) -> int:
        """How many wait.

        Raises: KafkaUnavailableError.
        """
        with self._cluster.admin() as admin:
            return sum(end - first for first, end in self._waiting(admin).values())

    def has_any_from_before(self, unix_ms: int) -> bool:
        """Whether a record waits that the brokers took before then.

        Raises: KafkaUnavailableError.
        """
        with self._cluster.admin() as admin:
            waiting = {p: first for p, (first, end) in self._waiting(admin).items() if end > first}
            if not waiting:
                return False
            later = admin.list_partition_offsets(dict.fromkeys(waiting, unix_ms))
            return any(not 0 <= later[place].offset <= first for place, first in waiting.items())

    def _waiting(self, admin: Any) -> dict[Any, tuple[int, int]]:
        """Partition → the first record that waits, and the end."""
        (found,) = admin.describe_topics([self._topic])
        places = [TopicPartition(self._topic, one["partition_index"]) for one in found["partitions"]]
        starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        committed = self._committed(admin, places)
        first = {p: max(starts[p].offset, committed[p].offset if p in committed else 0) for p in places}
        return {place: (min(first[place], ends[place].offset), ends[place].offset) for place in places}

    def _committed(self, admin: Any, places: list[Any]) -> dict[Any, Any]:
        until = time.monotonic() + COORDINATOR_S
        while True:
            try:
                found: dict[Any, Any] = admin.list_group_offsets({self._group: places})[self._group]
                return found
            except _COORDINATOR_COMES:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
