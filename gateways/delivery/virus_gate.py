"""What stands between an accepted message and its delivery where viruses are looked for.

Mail that a scanner has seen passes, and so does mail that none was asked about. What waits for one is scanned as soon
as it answers; when its time is over it is delivered as it is, and marked. An infected message goes to the quarantine.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import UNSET

from gateways.delivery.failures import Failures
from gateways.queue import Leased, Queue
from gateways.screening import HOLD, WAIT, Screening
from gateways.virus.policy import after_acceptance
from gateways.virus.scanning import UNSCREENED, Scan, Scanner

SHORTEST_PAUSE_MS: Final = 60_000
LONGEST_PAUSE_MS: Final = 600_000
PIECE_BYTES: Final = 256 * 1024
SCANNING_MS: Final = 5_000
"""How long scans may go on in one pass of a worker, before it turns to its other work again."""
WAITS: Final = "waits for the virus scanner, which does not answer"


class Quarantine(Protocol):
    """Where infected mail lies until an operator decides."""

    def hold(self, leased: Leased, *, threat: str) -> None:
        """Take the message over for the due recipients; durable on return, its object held. Safe to repeat."""
        ...


class VirusGate:
    """Lets records pass, or takes them out of the worker's hands and tells the queue."""

    def __init__(
        self,
        *,
        queue: Queue,
        failures: Failures,
        clock_ms: Callable[[], int],
        quarantine: Quarantine | None = None,
        scanner: Scanner | None = None,
        patience_ms: int = 0,
    ) -> None:
        self._queue = queue
        self._failures = failures
        self._clock_ms = clock_ms
        self._quarantine = quarantine
        self._scanner = scanner
        self._patience_ms = patience_ms
        self._scans_until = 0

    def order(self, batch: Sequence[Leased]) -> tuple[list[Leased], list[Leased]]:
        """A pass begins: what can be delivered at once, and what a scanner is asked about first. Nobody waits behind
        those, and for those only a while."""
        self._scans_until = self._clock_ms() + SCANNING_MS
        waiting = [leased for leased in batch if _is_waiting(leased)]
        return [leased for leased in batch if not _is_waiting(leased)], waiting

    def admit(self, leased: Leased, content: bytes) -> Leased | None:
        """The record with what is known of it now; None where it waits or lies in the quarantine.

        Raises: QueueUnavailableError, an outage of the quarantine's server.
        """
        found = leased.record.envelope.screening
        if found is UNSET or found.virus_action not in (WAIT, HOLD):
            return leased
        if found.virus_action == WAIT:
            found = self._looked_at(leased, found, content)
        if found.virus_action == WAIT:
            self._wait(leased)
            return None
        if found.virus_action == HOLD and self._quarantine is not None:
            self._quarantine.hold(leased, threat=found.threat)
            self._queue.done([(leased.record.acceptance_id, leased.recipients)])
            return None
        return _with(leased, found)

    def _looked_at(self, leased: Leased, found: Screening, content: bytes) -> Screening:
        is_over = self._scanner is None or self._clock_ms() >= leased.record.envelope.received_at + self._patience_ms
        return after_acceptance(found, self._scan(content), is_over=is_over)

    def _scan(self, content: bytes) -> Scan:
        if self._scanner is None or self._clock_ms() > self._scans_until or not self._scanner.answers():
            return Scan(UNSCREENED)
        pieces = (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))
        return self._scanner.scan(pieces, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    def _wait(self, leased: Leased) -> None:
        now = self._clock_ms()
        received_at = leased.record.envelope.received_at
        pause_ms = min(max((now - received_at) // 4, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
        due_at = max(min(now + pause_ms, received_at + self._patience_ms), now + 1)
        self._failures.give_back(leased, leased.recipients, due_at=due_at, error=WAITS)


def _is_waiting(leased: Leased) -> bool:
    screening = leased.record.envelope.screening
    return screening is not UNSET and screening.virus_action == WAIT


def _with(leased: Leased, found: Screening) -> Leased:
    record = leased.record
    envelope = msgspec.structs.replace(record.envelope, screening=found)
    return msgspec.structs.replace(leased, record=msgspec.structs.replace(record, envelope=envelope))
