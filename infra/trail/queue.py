"""The queue, each of whose records is told of as it comes in, waits for another attempt, or is given up."""

import time
from collections.abc import Sequence
from typing import Any

from gateways.queue import Leased, Queue, QueueRecord
from infra.trail.stages import stage


class ToldQueue:
    """The port `gateways.queue.Queue`; see there. What the reception puts is told by the reception."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def expect(self, blob: str, *, size_bytes: int) -> None:
        """See `Queue.expect`."""
        self._queue.expect(blob, size_bytes=size_bytes)

    def put(self, record: QueueRecord) -> None:
        """See `Queue.put`."""
        began = time.time()
        self._queue.put(record)
        _queued(record, began)

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """See `Queue.put_all`."""
        began = time.time()
        self._queue.put_all(records)
        for record in records:
            _queued(record, began)

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """See `Queue.lease`."""
        return self._queue.lease(worker, limit=limit, lease_s=lease_s)

    def done(self, finished: Sequence[tuple[str, Sequence[int]]]) -> None:
        """See `Queue.done`."""
        self._queue.done(finished)

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """See `Queue.postpone`."""
        began = time.time()
        self._queue.postpone(leased, recipient, due_at=due_at, failures=failures, error=error)
        wait_s = max(due_at / 1000 - began, 0)
        named = {"recipient": recipient, "failures": failures, "again_in_s": round(wait_s), "error": error[:500]}
        stage("waits", leased.record.acceptance_id, began=began, failed=failures > 0, **named)

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """See `Queue.bury`."""
        began = time.time()
        self._queue.bury(leased, recipient, error=error)
        mail, why = leased.record.acceptance_id, error[:500]
        stage("dead letter", mail, began=began, failed=True, recipient=recipient, error=why)


def _queued(record: QueueRecord, began: float) -> None:
    envelope = record.envelope
    named: dict[str, Any] = {"recipients": len(envelope.recipients), "source": envelope.source}
    if envelope.submission_id:
        named["submission"] = envelope.submission_id
    stage("queued", record.acceptance_id, began=began, **named)
