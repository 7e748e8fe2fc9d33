"""The queue, each of whose records is told of as it comes in, waits for another attempt, or is given up."""

import time
from collections.abc import Sequence
from typing import Any

from gateways.queue import Leased, QueueRecord
from infra.passing_queue import PassingQueue
from infra.trail.stages import stage


class ToldQueue(PassingQueue):
    """The port `gateways.queue.Queue`; see there. What the reception puts is told by the reception."""

    def put(self, record: QueueRecord) -> None:
        """See `Queue.put`."""
        began = time.time()
        super().put(record)
        _queued(record, began)

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """See `Queue.put_all`."""
        began = time.time()
        super().put_all(records)
        for record in records:
            _queued(record, began)

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """See `Queue.postpone`."""
        began = time.time()
        super().postpone(leased, recipient, due_at=due_at, failures=failures, error=error)
        wait_s = max(due_at / 1000 - began, 0)
        named = {"recipient": recipient, "failures": failures, "again_in_s": round(wait_s), "error": error[:500]}
        stage("waits", leased.record.acceptance_id, began=began, failed=failures > 0, **named)

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """See `Queue.bury`."""
        began = time.time()
        super().bury(leased, recipient, error=error)
        mail, why = leased.record.acceptance_id, error[:500]
        stage("dead letter", mail, began=began, failed=True, recipient=recipient, error=why)


def _queued(record: QueueRecord, began: float) -> None:
    envelope = record.envelope
    named: dict[str, Any] = {"recipients": len(envelope.recipients), "source": envelope.source}
    if envelope.submission_id:
        named["submission"] = envelope.submission_id
    stage("queued", record.acceptance_id, began=began, **named)
