"""What becomes of a recipient whose delivery failed: again later, three times, then a dead letter.

An outage of a server is no failure of the record: it is waited out and counts for nothing.
"""

from collections.abc import Iterable

from gateways.delivery.warning import Warnings
from gateways.queue import Leased, Queue

ATTEMPTS = 3
FIRST_PAUSE_MS = 60_000
OUTAGE_PAUSE_MS = 5_000


class Failures:
    """Hands failed recipients back to the queue."""

    def __init__(self, queue: Queue, *, warnings: Warnings, attempts: int = ATTEMPTS) -> None:
        self._queue = queue
        self._warnings = warnings
        self._attempts = attempts

    def failed(self, leased: Leased, recipients: Iterable[int], *, error: Exception, now_ms: int) -> None:
        """The record itself failed for these recipients: due again after 1, 4 … minutes, or buried."""
        text = f"{type(error).__name__}: {error}"
        for recipient in recipients:
            failures = leased.failures.get(recipient, 0) + 1
            if failures >= self._attempts:
                self._bury(leased, recipient, error=text)
            else:
                due_at = now_ms + FIRST_PAUSE_MS * 4 ** (failures - 1)
                self._queue.postpone(leased, recipient, due_at=due_at, failures=failures, error=text)

    def bury(self, leased: Leased, *, error: str) -> None:
        """All due recipients of the record become dead letters."""
        for recipient in leased.recipients:
            self._bury(leased, recipient, error=error)

    def _bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """An operator is told first: a crash in between tells once more, which is the same notice."""
        self._warnings.tell(leased, recipient, error=error)
        self._queue.bury(leased, recipient, error=error)

    def give_back(self, leased: Leased, recipients: Iterable[int], *, due_at: int, error: str) -> None:
        """These recipients wait until `due_at`; nothing is counted."""
        for recipient in recipients:
            failures = leased.failures.get(recipient, 0)
            self._queue.postpone(leased, recipient, due_at=due_at, failures=failures, error=error)
