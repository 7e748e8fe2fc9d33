"""Takes what is due, relays it side by side, and has settled what became of it.

The order of one mail, of which a crash at any line loses nothing: it is leased; its parcel and bytes are read; hosts
are tried; before the last dot of a transaction the schedule notes that the far side may have it (`Schedule.mark`),
which fails where the lease is somebody else's by now; its replies are settled (`settlement`) as they come. Only what
the schedule notes in between may come twice, and that is counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from gateways.outgoing import DueMail, OutgoingMail, OutgoingUnavailableError
from gateways.relay.courier import Courier, Road, Trip
from gateways.relay.destination import Destination, Pace
from gateways.relay.memory import Memory
from gateways.relay.message import Letter
from gateways.relay.parcels import Parcel, Parcels
from gateways.relay.schedule import Outcome, Schedule, Settled, final_status
from gateways.relay.settlement import Settlement, Tried
from gateways.relay.settler import OUTAGE_PAUSE_S, Heard, Settler
from gateways.relay.sources import Leaving, Sources, next_day_ms

HAND = 4_000
"""Mails in hand at a time, as references: many destinations may hang, and others still have their turn."""
CONNECTIONS = 500
MEMORY_BYTES = 256 * 2**20
COPIES = 3
"""How many times a message's octets are held while it is on its way."""
POLL_S = 0.5
GATHER_S = 0.05
"""Between two looks while mail is under way: each costs a round trip, and hands are free again in between."""
FEW_DESTINATIONS = 64
"""So many are kept in memory without a look at which of them are over."""
PUT_OFF_MS = 600_000
WARMING_UP = "451 4.3.2 no more mail of this stream leaves today: its address is new"
PUT_OFF = "451 4.3.0 the message cannot be read here at present"
_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Letters(Protocol):
    """The messages of parcels. Calls block."""

    def read(self, parcel: Parcel) -> Letter:
        """The parcel's message. Raises whatever stands against reading it."""
        ...


class Relay:
    """The relay of one process, on one event loop; what blocks goes to `executor`.

    `outages` are the errors of servers that do not answer, which are waited out; `attend` is called before each look at
    what is due. `road` lacks nothing but its `mark`.
    """

    def __init__(
        self,
        *,
        outgoing: OutgoingMail,
        schedule: Schedule,
        parcels: Parcels,
        letters: Letters,
        settlement: Settlement,
        road: Road,
        executor: Executor,
        heard: Heard,
        clock_ms: Callable[[], int],
        outages: tuple[type[Exception], ...] = (),
        attend: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
        hand: int = HAND,
        sources: Sources | None = None,
    ) -> None:
        self._outgoing = outgoing
        self._schedule = schedule
        self._parcels = parcels
        self._letters = letters
        self._executor = executor
        self._heard = heard
        self._clock_ms = clock_ms
        self._outages: tuple[type[Exception], ...] = (OutgoingUnavailableError, *outages)
        self._attend = attend
        self._pace = pace or Pace()
        self._hand = hand
        self._sources = sources
        self._in_hand: set[DueMail] = set()
        self._destinations: dict[tuple[str, Leaving], Destination] = {}
        self._most_destinations = FEW_DESTINATIONS
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._memory = Memory(MEMORY_BYTES)
        self._room = asyncio.Event()
        self._settler = Settler(
            schedule=schedule,
            settlement=settlement,
            executor=executor,
            heard=heard,
            outages=self._outages,
            on_over=self._let_go,
        )
        self._road = replace(road, mark=self._settler.mark)

    async def run(self, stop: asyncio.Event, *, drain_s: float = 6.0) -> None:
        """Relay until `stop`; then what is under way may end within `drain_s`, and the rest is others' soon."""
        while not stop.is_set():
            try:
                taken = await self._take()
            except self._outages as outage:
                _log.warning("relay: what is due cannot be taken: %s", outage)
                await _either(stop, OUTAGE_PAUSE_S)
                continue
            await self._rest(stop, taken)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._until_nothing_is_in_hand()
        await self.close()

    async def _rest(self, stop: asyncio.Event, taken: int) -> None:
        """Until something may be there to be taken: at once while there is more, soon when hands get free."""
        if not taken:
            self._room.clear()
            await _either(self._room if self._in_hand else stop, POLL_S)
        if self._in_hand:
            await _either(stop, GATHER_S)

    async def run_due(self) -> int:
        """Relay what is due, once, to its end; how many mails that were."""
        taken = await self._take()
        await self._until_nothing_is_in_hand()
        return taken

    async def close(self) -> None:
        """Break off what is under way, and settle what is known."""
        await asyncio.gather(*(one.cancel() for one in self._destinations.values()))
        await self._settler.finish()

    async def _until_nothing_is_in_hand(self) -> None:
        while self._in_hand:
            self._room.clear()
            await self._room.wait()

    async def _take(self) -> int:
        """Begin with what is due; how many mails that are. Nothing while hands are full."""
        room = self._hand - len(self._in_hand)
        if room < self._hand // 4:
            self._room.clear()
            await _either(self._room, POLL_S)
            return 1
        taken = await self._blocking(lambda: self._due(room))
        due = [one for one in taken if one not in self._in_hand]
        self._in_hand.update(due)
        if due:
            await self._begin_all(due, await self._settler.patiently(lambda: self._parcels.open(due)))
        return len(due)

    def _due(self, room: int) -> Sequence[DueMail]:
        self._attend()
        return self._outgoing.take(limit=room)

    async def _begin_all(self, due: Sequence[DueMail], opened: Mapping[DueMail, Parcel | Exception | None]) -> None:
        unread: dict[DueMail, Exception] = {}
        gone: list[DueMail] = []
        for one in due:
            parcel = opened[one]
            if isinstance(parcel, Exception):
                unread[one] = parcel
            elif parcel is None:
                gone.append(one)
            else:
                await self._begin(parcel)
        if gone or unread:
            await self._settler.patiently(lambda: self._leave(gone, unread))
            for one in (*gone, *unread):
                self._let_go(one)

    def _leave(self, gone: Sequence[DueMail], unread: Mapping[DueMail, Exception]) -> None:
        """Those for whom nobody is left go; those that cannot be read now wait, their error on show."""
        if gone:
            self._schedule.drop(gone)
        for due, error in unread.items():
            _log.warning("relay: %s to %s cannot be read: %r", due.submission_id, due.domain, error)
        again = self._clock_ms() + PUT_OFF_MS
        self._schedule.settle([Settled(due=due, outcomes=_put_off(due), due_again_at=again) for due in unread])

    async def _begin(self, parcel: Parcel) -> None:
        """On its way, but for recipients of whom the log knows the end: a crash came before the schedule knew it."""
        known = [
            Outcome(place, final_status(status), parcel.last_replies[place])
            for place in parcel.due.recipients
            if (status := parcel.known(place)) is not None
        ]
        if known or not parcel.due.recipients:
            now = self._clock_ms()
            self._settler.settle(Tried(parcel=parcel, outcomes=tuple(known), is_over=True, due_again_at=now))
        elif (leaving := await self._leaving(parcel)) is not None:
            await self._destination(parcel.due.domain, leaving).put(parcel)
        else:
            again = next_day_ms(self._clock_ms())
            outcomes = tuple(Outcome(place, "deferred", WARMING_UP) for place in parcel.due.recipients)
            self._settler.settle(Tried(parcel=parcel, outcomes=outcomes, is_over=True, due_again_at=again))

    async def _leaving(self, parcel: Parcel) -> Leaving | None:
        """The addresses of ours that it leaves from; nothing where it has to wait for the next day."""
        if self._sources is None:
            return Leaving()
        sources, today = self._sources, datetime.fromtimestamp(self._clock_ms() / 1000, UTC).date()
        while True:
            try:
                return await sources.of(parcel.stream, today)
            except self._outages as outage:
                _log.warning("relay: an outage is waited out: %s", outage)
                await asyncio.sleep(OUTAGE_PAUSE_S)

    def _destination(self, domain: str, leaving: Leaving) -> Destination:
        key = (domain, leaving)
        if key not in self._destinations:
            self._forget_some()
            self._destinations[key] = Destination(
                domain,
                new_courier=lambda to: Courier(to, self._road, leaving),
                journey=self._journey,
                defer=self._defer,
                slots=self._slots,
                pace=self._pace,
            )
        return self._destinations[key]

    def _forget_some(self) -> None:
        """Destinations that nothing is left of go whenever there are twice as many as were kept the last time."""
        if len(self._destinations) >= self._most_destinations:
            self._destinations = {name: one for name, one in self._destinations.items() if not one.is_forgettable}
            self._most_destinations = max(FEW_DESTINATIONS, 2 * len(self._destinations))

    async def _journey(self, courier: Courier, parcel: Parcel) -> Trip | None:
        """One attempt; whatever goes wrong with it here puts this mail off, and no other."""
        try:
            async with self._memory.held(COPIES * parcel.size_bytes):
                letter = await self._blocking(lambda: self._letters.read(parcel))
                trip = await courier.take(parcel, letter, lambda final: self._tried(parcel, final))
        except Exception as error:  # noqa: BLE001 - in the log, and on show in the schedule
            _log.warning("relay: %s to %s waits: %r", parcel.submission_id, parcel.due.domain, error)
            again = self._clock_ms() + PUT_OFF_MS
            outcomes = _put_off(parcel.due)
            self._settler.settle(Tried(parcel=parcel, outcomes=outcomes, is_over=True, due_again_at=again))
            return None
        if trip.in_doubt:
            self._heard.in_doubt(trip.in_doubt)
        self._settler.settle(Tried(parcel=parcel, outcomes=trip.untold, is_over=True))
        return trip

    def _tried(self, parcel: Parcel, final: Sequence[Outcome]) -> None:
        self._settler.settle(Tried(parcel=parcel, outcomes=tuple(final), is_over=False))

    def _defer(self, parcel: Parcel, reply: str) -> None:
        outcomes = tuple(Outcome(place, "deferred", reply) for place in parcel.due.recipients)
        self._settler.settle(Tried(parcel=parcel, outcomes=outcomes, is_over=True))

    def _let_go(self, due: DueMail) -> None:
        self._in_hand.discard(due)
        self._room.set()

    async def _blocking(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _put_off(due: DueMail) -> tuple[Outcome, ...]:
    return tuple(Outcome(place, "deferred", PUT_OFF) for place in due.recipients)


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Return when it is set, or after that time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
