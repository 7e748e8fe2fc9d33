"""Mails that ended at the same time, handed over to the reception together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from gateways.reception import Reception
from gateways.smtp.actions import Accept, Outcome

MOST_AT_ONCE = 128
MANY = 8
GATHER_S = 0.005
"""How long a call waits for more mails where the one before took `MANY`: flushes of the disk take as long."""

_Waiting = tuple[Accept, Callable[[Outcome], None]]


class Acceptances:
    """One call of the reception at a time, for all mails that came whole since the last one began.

    Its one thread a call, and its one way back to the loop, are shared by all of them, like the flushes of the disk.
    Where few mails come, none waits for another. Used on the event loop's thread alone.
    """

    def __init__(self, reception: Reception, executor: Executor) -> None:
        self._reception = reception
        self._executor = executor
        self._waiting: list[_Waiting] = []
        self._is_calling = False
        self._last_took = 0

    def __len__(self) -> int:
        """How many wait for the next call."""
        return len(self._waiting)

    def submit(self, mail: Accept, done: Callable[[Outcome], None]) -> None:
        """Hand `mail` over; `done` is called with what its acceptance raised, or None when 250 may be said."""
        self._waiting.append((mail, done))
        if not self._is_calling:
            self._call_soon()

    def _call_soon(self) -> None:
        """After all else that the loop has just read; a little later where many come."""
        self._is_calling = True
        loop = asyncio.get_running_loop()
        if self._last_took >= MANY > len(self._waiting):
            loop.call_later(GATHER_S, self._call)
        else:
            loop.call_soon(self._call)

    def _call(self) -> None:
        loop = asyncio.get_running_loop()
        batch = self._waiting[:MOST_AT_ONCE]
        del self._waiting[:MOST_AT_ONCE]
        self._last_took = len(batch)
        mails = [(mail.envelope, mail.data) for mail, _ in batch]
        call = self._executor.submit(self._reception.accept_all, mails)
        call.add_done_callback(lambda done: loop.call_soon_threadsafe(self._called, batch, done))

    def _called(self, batch: Sequence[_Waiting], call: "Future[Sequence[Exception | None]]") -> None:
        self._is_calling = False
        if self._waiting:
            self._call_soon()
        failure = call.exception()
        outcomes = call.result() if failure is None else [failure] * len(batch)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            done(outcome)
