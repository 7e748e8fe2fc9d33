"""Records at which workers died: tried alone, in turn with all others, and buried when there is no doubt left."""

from collections.abc import Sequence

from gateways.delivery.failures import Failures
from gateways.queue import SUSPECT, Leased, Queue

MAX_INTERRUPTIONS = 8
"""`SUSPECT` among others, then six that had it alone, over two minutes at least: they died of it."""


class Suspects:
    """One worker's turns between suspects and all others."""

    def __init__(self, queue: Queue, failures: Failures) -> None:
        self._queue = queue
        self._failures = failures
        self._is_their_turn = False

    def alone(self, leased: Sequence[Leased]) -> Sequence[Leased]:
        """What of it is worked at now: a record at which workers died repeatedly takes no other one with it.

        One of those and all the others take turns, so that neither has the other wait for ever. The rest is handed
        back.
        """
        suspects = [one for one in leased if one.interruptions >= SUSPECT]
        if not suspects:
            return leased
        sound = [one for one in leased if one.interruptions < SUSPECT]
        if sound and not self._is_their_turn:
            self._is_their_turn = True
            self._queue.hand_back(suspects)
            return sound
        self._is_their_turn = False
        alone = suspects[0]
        if len(leased) > 1:
            self._queue.hand_back([one for one in leased if one is not alone])
        if alone.interruptions < MAX_INTERRUPTIONS:
            self._queue.take_alone(alone)
            return [alone]
        self._failures.bury(alone, error=f"{alone.interruptions} workers died while they delivered it")
        return []
