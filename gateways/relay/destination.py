"""The mails of one destination in hand: its connections, how many there may be, and rest where it asks for less."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateways.relay.courier import Courier, Trip
from gateways.relay.parcels import Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a destination is treated, in connections and seconds."""

    first: int = 4
    most: int = 20
    """Connections to one destination; it begins with `first` and gets one more for so many mails as it has."""
    first_rest_s: float = 1.0
    longest_rest_s: float = 60.0
    unreachable: int = 2
    """After so many attempts in a row that reached nobody, what else is in hand waits without being tried."""
    idle_s: float = 5.0


class Journey(Protocol):
    """Makes one attempt with a courier."""

    async def __call__(self, courier: Courier, parcel: Parcel) -> Trip | None:
        """The attempt; nothing where it could not even be begun. Settles whatever it comes to."""
        ...


class Destination:
    """One domain. `defer` settles a parcel unheard, with the reply that those before it got."""

    def __init__(
        self,
        domain: str,
        *,
        new_courier: Callable[[str], Courier],
        journey: Journey,
        defer: Callable[[Parcel, str], None],
        slots: asyncio.Semaphore,
        pace: Pace,
    ) -> None:
        self._domain = domain
        self._new_courier = new_courier
        self._journey = journey
        self._defer = defer
        self._slots = slots
        self._pace = pace
        self._parcels: deque[Parcel] = deque()
        self._came = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._idle = 0
        self._limit = float(pace.first)
        self._rest_s = 0.0
        self._rested_at = 0.0
        self._unreachable = 0

    @property
    def is_forgettable(self) -> bool:
        """Whether it has neither mail nor connections, nor asked for rest a moment ago."""
        is_resting = self._rested_at > asyncio.get_running_loop().time()
        return not (self._parcels or self._connections or is_resting)

    @property
    def limit(self) -> int:
        """How many connections it may have now."""
        return int(self._limit)

    async def put(self, parcel: Parcel) -> None:
        """One more mail."""
        async with self._came:
            self._parcels.append(parcel)
            self._came.notify()
        self._connect_more()

    def _connect_more(self) -> None:
        while len(self._parcels) > self._idle and len(self._connections) < self.limit:
            task = asyncio.get_running_loop().create_task(self._work())
            self._connections.add(task)
            self._idle += 1  # until it has its first mail
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "relay", "exception": error})
        self._connect_more()

    async def cancel(self) -> None:
        """Break everything off; what waits is begun by nobody."""
        self._parcels.clear()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _work(self) -> None:
        courier = self._new_courier(self._domain)
        try:
            async with self._slots:
                while (parcel := await self._next(courier)) is not None:
                    await self._one(courier, parcel)
                    self._idle += 1
        except BaseException:
            courier.drop()
            raise
        await courier.part()

    async def _next(self, courier: Courier) -> Parcel | None:
        """The next mail; none where there is no more, or one connection too many."""
        try:
            async with self._came:
                if not self._parcels and courier.is_connected:
                    try:
                        async with asyncio.timeout(self._pace.idle_s):
                            await self._came.wait_for(lambda: self._parcels)
                    except TimeoutError:
                        return None
                if not self._parcels or len(self._connections) > self.limit:
                    return None
                return self._parcels.popleft()
        finally:
            self._idle -= 1

    async def _one(self, courier: Courier, parcel: Parcel) -> None:
        await self._rest()
        trip = await self._journey(courier, parcel)
        if trip is None:
            return
        if trip.is_throttled:
            self._throttle()
        elif trip.was_reached:
            self._rest_s, self._unreachable = 0.0, 0
            self._limit = min(float(self._pace.most), self._limit + 1 / self._limit)
            self._connect_more()
        elif trip.pending:
            self._unreachable += 1
            if self._unreachable >= self._pace.unreachable:
                self._give_up(next(iter(trip.outcomes.values())).reply)

    def _throttle(self) -> None:
        """Half the connections, and a rest that doubles."""
        self._limit = max(1.0, self._limit / 2)
        now = asyncio.get_running_loop().time()
        if now >= self._rested_at:  # those under way when it began are one throttling
            self._rest_s = min(self._pace.longest_rest_s, max(self._pace.first_rest_s, self._rest_s * 2))
            self._rested_at = now + self._rest_s

    async def _rest(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._rested_at > now:
            await asyncio.sleep(self._rested_at - now)

    def _give_up(self, reply: str) -> None:
        """Nobody answers: what waits is deferred without a minute of waiting for each."""
        waiting, self._parcels = self._parcels, deque()
        for parcel in waiting:
            self._defer(parcel, reply)
