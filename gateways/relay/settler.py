"""What couriers bring back, settled many at a time and in their order, through whatever outage."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Protocol, TypeVar

from gateways.outgoing import DueMail
from gateways.relay.batches import Batches
from gateways.relay.parcels import Parcel
from gateways.relay.schedule import Outcome, Schedule
from gateways.relay.sent_copy import SentCopy
from gateways.relay.settlement import Settlement, Tried

OUTAGE_PAUSE_S = 5.0
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Heard(Protocol):
    """Told of what is counted."""

    def settled(self, parcel: Parcel, outcomes: Sequence[Outcome]) -> None:
        """These were settled in one attempt."""
        ...

    def in_doubt(self, recipients: int) -> None:
        """The far side may have the message for so many, and gets it again."""
        ...


class Settler:
    """For one event loop; what blocks goes to `executor`. `on_over` is told when nothing of a due mail is in hand."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        settlement: Settlement,
        executor: Executor,
        heard: Heard,
        outages: tuple[type[Exception], ...],
        on_over: Callable[[DueMail], None],
    ) -> None:
        self._schedule = schedule
        self._settlement = settlement
        self._executor = executor
        self._heard = heard
        self._outages = outages
        self._on_over = on_over
        self._is_stopping = False
        self._marks: Batches[tuple[DueMail, Sequence[int], SentCopy], bool] = Batches(self._mark_all)
        self._tried: Batches[Tried, Tried | None] = Batches(self._settle_all)

    def mark(self, due: DueMail, places: Sequence[int], copy: SentCopy) -> "asyncio.Future[bool]":
        """Whether the message may be sent to these: it is noted that they may have it from now on, and what it is."""
        return self._marks.put((due, places, copy))

    def settle(self, tried: Tried) -> None:
        """Settle it soon, after all that was given before."""
        self._tried.put(tried).add_done_callback(partial(self._settled, tried))

    async def finish(self) -> None:
        """Settle what was given; from now on no outage is waited out."""
        self._is_stopping = True
        await self._tried.finish()

    async def patiently(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, which blocks and may be repeated: outages are waited out."""
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
            except self._outages as outage:
                if self._is_stopping:
                    raise
                _log.warning("relay: an outage is waited out: %s", outage)
                await asyncio.sleep(OUTAGE_PAUSE_S)

    def _settled(self, tried: Tried, done: "asyncio.Future[Tried | None]") -> None:
        result = None if done.cancelled() or done.exception() is not None else done.result()
        if result is not None:
            self._heard.settled(tried.parcel, result.outcomes)
        if tried.is_over:
            self._on_over(tried.parcel.due)

    async def _mark_all(self, asked: Sequence[tuple[DueMail, Sequence[int], SentCopy]]) -> Sequence[bool]:
        loop = asyncio.get_running_loop()
        places = [(due, of) for due, of, _copy in asked]
        copies = {due: copy for due, _places, copy in asked}
        marked = await loop.run_in_executor(self._executor, self._schedule.mark, places, copies)
        return [due in marked for due, _places in places]

    async def _settle_all(self, tried: Sequence[Tried]) -> Sequence[Tried | None]:
        """Together; where that fails, one by one, so that only the guilty one is left to its lease."""
        try:
            return await self.patiently(partial(self._settlement.settle, tried))
        except Exception as error:  # noqa: BLE001 - each is tried by itself
            if len(tried) == 1:
                _log.error("relay: %s could not be settled: %r", tried[0].parcel.submission_id, error)
                return [None]
        return [result for one in tried for result in await self._settle_all([one])]
