"""Whether the tokens of live streams still stand: all streams that are due are asked about in one call of the pool."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from gateways.accounts import Sessions
from gateways.http.waiting_clients import LiveStream

_log = logging.getLogger(__name__)


class TokenChecks:
    """Ends the streams whose tokens have ended. `call` runs a function in the pool."""

    def __init__(self, sessions: Sessions, call: Callable[[Any], Awaitable[Any]]) -> None:
        self._sessions = sessions
        self._call = call
        self._due: list[LiveStream] = []
        self._asking: asyncio.Task[None] | None = None

    def ask(self, stream: LiveStream) -> None:
        """Look at this one's token soon."""
        self._due.append(stream)
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._asked)

    async def _ask(self) -> None:
        while self._due:
            streams, self._due = self._due, []
            ended: set[str] = await self._call(partial(self._ended, {stream.token for stream in streams}))
            for stream in streams:
                if stream.token in ended:
                    stream.let_go()

    def _ended(self, tokens: Iterable[str]) -> set[str]:
        return {token for token in tokens if self._sessions.authenticate(token) is None}

    def _asked(self, task: "asyncio.Task[None]") -> None:
        """In an outage streams go on: nothing can be read for them either, and they are asked about again."""
        self._asking = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("whether tokens still stand could not be asked: %r", error)
