"""How much of messages may be in memory at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Memory:
    """Bytes to be held; a message larger than all of them is held alone."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def held(self, size_bytes: int) -> AsyncIterator[None]:
        """Wait until so much is free, and hold it."""
        size = min(size_bytes, self._most)
        async with self._freed:
            await self._freed.wait_for(lambda: self._held + size <= self._most)
            self._held += size
        try:
            yield
        finally:
            async with self._freed:
                self._held -= size
                self._freed.notify_all()
