"""Whether the tokens of those who wait still stand: nothing goes out to anybody whose session has ended.

Whoever ends sessions says of which account (a hint, from any process): its tokens are looked at at once, and to none of
them is anything sent before. Behind the hint is the clock: before anything is sent the token was looked at within
`FRESH_S`. One question looks at all tokens that are due.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Protocol

FRESH_S = 3.0
_NEVER = float("-inf")
_log = logging.getLogger(__name__)


class Standing:
    """A token that clients wait on; `looked_at` is when (loop's time) the last look began that found it standing."""

    __slots__ = ("account_id", "clients", "doubts", "looked_at", "token")

    def __init__(self, account_id: str, token: str) -> None:
        self.account_id = account_id
        self.token = token
        self.clients: set[Waiting] = set()
        self.looked_at = _NEVER
        self.doubts = 0

    @property
    def is_sure(self) -> bool:
        """Whether it was looked at since it came, and since a hint said that it may have ended."""
        return self.looked_at > _NEVER

    def doubt(self) -> None:
        """It may have ended; what is being asked already does not count."""
        self.looked_at = _NEVER
        self.doubts += 1


class Waiting(Protocol):
    """A client who waits on a token."""

    standing: Standing

    def ended(self) -> None:
        """The token stands no more: end the answer, and leave."""


class TokenChecks:
    """All tokens that clients wait on in this process. `ended` gives those that stand no more, on `executor`."""

    def __init__(self, ended: Callable[[Sequence[str]], set[str]], executor: Executor) -> None:
        self._ended = ended
        self._executor = executor
        self._standings: dict[str, dict[str, Standing]] = {}
        self._gathering: set[Standing] = set()
        self._asking: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self, client: Waiting, *, account_id: str, token: str) -> None:
        """It waits on this token from now on; which is looked at before anything is sent to it."""
        self._loop = asyncio.get_running_loop()
        tokens = self._standings.setdefault(account_id, {})
        client.standing = tokens.get(token) or tokens.setdefault(token, Standing(account_id, token))
        client.standing.clients.add(client)

    def leave(self, client: Waiting) -> None:
        """It waits no more; safe to repeat."""
        standing = client.standing
        standing.clients.discard(client)
        tokens = self._standings.get(standing.account_id, {})
        if not standing.clients and tokens.get(standing.token) is standing:
            del tokens[standing.token]
            if not tokens:
                del self._standings[standing.account_id]

    async def look(self, clients: Iterable[Waiting]) -> None:
        """Look at the tokens of these clients that were not looked at lately; whose token ended is over after that.

        Raises: what the question raises; then nothing may be sent.
        """
        if (asking := self.ask(clients)) is not None:
            await asyncio.shield(asking)

    def ask(self, clients: Iterable[Waiting]) -> "asyncio.Task[None] | None":
        """`look`, begun; null where all were looked at lately."""
        stale = asyncio.get_running_loop().time() - FRESH_S
        due = {client.standing for client in clients if client.standing.looked_at < stale}
        return self._gathered(due) if due else None

    def doubt(self, account_id: str) -> None:
        """Sessions of this account have ended: look which, and end their clients' answers."""
        self._doubt(set(self._standings.get(account_id, {}).values()))

    def doubt_all(self) -> None:
        """Hints may have been lost."""
        self._doubt({standing for tokens in self._standings.values() for standing in tokens.values()})

    def doubt_from_thread(self, account_id: str) -> None:
        """`doubt`, from any thread."""
        self._from_thread(self.doubt, account_id)

    def doubt_all_from_thread(self) -> None:
        """`doubt_all`, from any thread."""
        self._from_thread(self.doubt_all)

    def _from_thread(self, function: Callable[..., None], *values: str) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *values)

    def _doubt(self, standings: set[Standing]) -> None:
        for standing in standings:
            standing.doubt()
        if standings:
            self._gathered(standings)

    def _gathered(self, standings: set[Standing]) -> "asyncio.Task[None]":
        """The next question, which begins when the one under way is answered."""
        self._gathering |= standings
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask_next(self._asking))
            self._next.add_done_callback(_shown)
        return self._next

    async def _ask_next(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        asked, self._gathering = {standing: standing.doubts for standing in self._gathering}, set()
        self._asking, self._next = self._next, None
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended = await loop.run_in_executor(self._executor, self._ended, [standing.token for standing in asked])
        for standing, doubts in asked.items():
            if standing.token in ended:
                for client in list(standing.clients):
                    client.ended()
            elif standing.doubts == doubts:
                standing.looked_at = began


def _shown(task: "asyncio.Task[None]") -> None:
    """In an outage streams stay open and get nothing: they are asked about again before anything is sent."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("whether tokens still stand could not be asked: %r", error)
