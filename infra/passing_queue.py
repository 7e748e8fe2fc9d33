"""A queue in front of another one, which passes every call on: for those that do more beside one or two of them."""

from collections.abc import Sequence

from gateways.queue import Leased, Queue, QueueRecord


class PassingQueue:
    """The port `gateways.queue.Queue` on any queue; see there."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def expect(self, blob: str, *, size_bytes: int) -> None:
        """See `Queue.expect`."""
        self._queue.expect(blob, size_bytes=size_bytes)

    def put(self, record: QueueRecord) -> None:
        """See `Queue.put`."""
        self._queue.put(record)

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """See `Queue.put_all`."""
        self._queue.put_all(records)

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """See `Queue.lease`."""
        return self._queue.lease(worker, limit=limit, lease_s=lease_s)

    def hand_back(self, leased: Sequence[Leased]) -> None:
        """See `Queue.hand_back`."""
        self._queue.hand_back(leased)

    def take_alone(self, leased: Leased) -> None:
        """See `Queue.take_alone`."""
        self._queue.take_alone(leased)

    def done(self, finished: Sequence[tuple[str, Sequence[int]]]) -> None:
        """See `Queue.done`."""
        self._queue.done(finished)

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """See `Queue.postpone`."""
        self._queue.postpone(leased, recipient, due_at=due_at, failures=failures, error=error)

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """See `Queue.bury`."""
        self._queue.bury(leased, recipient, error=error)
