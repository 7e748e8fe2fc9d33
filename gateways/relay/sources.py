"""From which of our addresses a stream's mail leaves, and how much of it while an address is new to the world.

Receivers judge an address by what came from it. So streams may have addresses of their own, and one that has just been
taken into use begins with few mails a day and has twice as many every second day, for four weeks. What is beyond leaves
from the stream's other addresses, or waits for the next day where it has none.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from domain.automatic_mail import STREAMS
from domain.times import DAY_MS

WARM_UP_DAYS = 28
FIRST_DAY_MAILS = 50
PERSONAL = "personal"


class Source(NamedTuple):
    """An address of ours; `since` is the first day (UTC) of its warm-up, none where it is known to the world."""

    address: str
    since: date | None = None

    def most(self, today: date) -> int | None:
        """How many mails may leave from it today; None for any number."""
        if self.since is None:
            return None
        age = (today - self.since).days
        if age >= WARM_UP_DAYS:
            return None
        return 0 if age < 0 else FIRST_DAY_MAILS * 2 ** (age // 2)


class Leaving(NamedTuple):
    """The addresses that a mail leaves from, by family; without any the system chooses."""

    ipv4: str | None = None
    ipv6: str | None = None

    def towards(self, address: str) -> str | None:
        """Ours for a host's address; None where the system chooses."""
        return self.ipv6 if ":" in address else self.ipv4

    def reaches(self, address: str) -> bool:
        """Whether mail of the stream may leave towards it at all: never from an address of another stream."""
        return self == Leaving() or self.towards(address) is not None


class Allowance(Protocol):
    """How many mails have left from new addresses today, of all relays."""

    async def take(self, address: str, day: date, most: int) -> bool:
        """One more, where that is at most `most`."""
        ...


class Sources:
    """`of_streams`: each stream's addresses; a stream without any leaves as the system chooses."""

    def __init__(self, of_streams: Mapping[str, Sequence[Source]], allowance: Allowance) -> None:
        self._of_streams = of_streams
        self._allowance = allowance

    async def of(self, stream: str, today: date) -> Leaving | None:
        """What one mail of the stream leaves from; None where nothing more of it may leave today."""
        sources = self._of_streams.get(PERSONAL if stream in STREAMS or not stream else stream, ())
        if not sources:
            return Leaving()
        ipv4 = await self._first([one for one in sources if ":" not in one.address], today)
        ipv6 = await self._first([one for one in sources if ":" in one.address], today)
        return None if ipv4 is ipv6 is None else Leaving(ipv4, ipv6)

    async def _first(self, sources: Sequence[Source], today: date) -> str | None:
        """A new address as long as it has mails left today, so that it becomes known; else one that is."""
        for one in sorted(sources, key=lambda source: source.most(today) is None):
            most = one.most(today)
            if most is None or await self._allowance.take(one.address, today, most):
                return one.address
        return None


def next_day_ms(now_ms: int) -> int:
    """When the next day begins (UTC), in unix milliseconds."""
    return (now_ms // DAY_MS + 1) * DAY_MS
