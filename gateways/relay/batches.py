"""Calls of many tasks gathered into one: who comes first goes at once, who comes while it is away goes together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """`work` is given at most `most` items at a time, one batch after another, and answers a result for each."""

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int = 200) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def run(self, item: Item) -> Result:
        """The result for the item.

        Raises: what `work` raised for its batch.
        """
        return await self.put(item)

    def put(self, item: Item) -> "asyncio.Future[Result]":
        """The same without waiting."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return future

    async def finish(self) -> None:
        """Return when nothing waits."""
        while self._running is not None:
            await asyncio.shield(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._run_one(batch)
        finally:
            self._running = None

    async def _run_one(self, batch: Sequence["tuple[Item, asyncio.Future[Result]]"]) -> None:
        try:
            results = await self._work([item for item, _future in batch])
        except Exception as error:  # noqa: BLE001 - handed to those whose work it was
            for _item, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_item, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
