"""What is due at about a time: one timer of the event loop for all that fall into the same sixteenth of a second."""

import asyncio
import math
from typing import Protocol

SLOTS_PER_S = 16


class Due(Protocol):
    """Something with a time."""

    slot: int
    """Where the wheel keeps it; 0 while it does not."""

    def due(self) -> None:
        """The time has come."""


class Wheel:
    """Calls what is due, on the loop, up to a sixteenth of a second late."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Due]] = {}

    def put(self, one: Due, *, after_s: float) -> None:
        """Call it so many seconds from now, once; whatever time it had before is forgotten."""
        self.take(one)
        loop = asyncio.get_running_loop()
        slot = math.ceil((loop.time() + after_s) * SLOTS_PER_S)
        found = self._slots.get(slot)
        if found is None:
            found = self._slots[slot] = set()
            loop.call_at(slot / SLOTS_PER_S, self._turn, slot)
        found.add(one)
        one.slot = slot

    def take(self, one: Due) -> None:
        """Call it no more; nothing if it has no time."""
        if (slot := self._slots.get(one.slot)) is not None:
            slot.discard(one)
        one.slot = 0

    def _turn(self, slot: int) -> None:
        for one in self._slots.pop(slot):
            if one.slot == slot:
                one.slot = 0
                one.due()
