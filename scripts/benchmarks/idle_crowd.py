"""A crowd that waits at `/sync`, in a process of its own: it shares no lock with the service nor with who measures."""

import asyncio
import gc
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

import msgspec
import uvloop

PER_S = 320
"""New waiters a second: below the limits of 400 requests an address and 50 an account."""
SETTLING_S = 2.0
TOLD_S = 20.0


class Wait(msgspec.Struct, frozen=True):
    """What the crowd asks, in turns, of which port; `told_by` are octets that are in an answer only if it is news."""

    port: int
    asks: Sequence[bytes]
    count: int
    told_by: bytes


class Waiter(asyncio.Protocol):
    """One waiting client: asks when connected, notes when it was told."""

    __slots__ = ("_ask", "_told_by", "lost", "status", "told_at", "transport")

    def __init__(self, ask: bytes, told_by: bytes) -> None:
        self._ask = ask
        self._told_by = told_by
        self.told_at = 0.0
        self.status = b""
        self.lost = False
        self.transport: asyncio.Transport | None = None

    @property
    def waits(self) -> bool:
        """Whether it was not refused and is not told yet."""
        return not (self.lost or self.told_at) and self.status in (b"", b"200")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        """The answer, or a part of the stream."""
        self.status = self.status or data[9:12]
        if not self.told_at and self._told_by in data:
            self.told_at = time.perf_counter()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side ended it."""
        self.lost = True


class Crowd:
    """The crowd, seen from the process that measures."""

    def __init__(self, pipe: "Connection[None, list[float] | int]") -> None:
        self._pipe = pipe
        self.refused = int(cast(int, pipe.recv()))

    def told_at(self) -> list[float]:
        """Wait for them; when each of those who wait was told (`time.perf_counter`), 0 for who was not in time."""
        self._pipe.send(None)
        return cast(list[float], self._pipe.recv())


@contextmanager
def crowd(wait: Wait) -> Iterator[Crowd]:
    """A crowd whose every client waits, or was refused; it leaves afterwards."""
    spawned = multiprocessing.get_context("spawn")
    here, there = spawned.Pipe()
    process = spawned.Process(target=_stand, args=(there, wait))
    process.start()
    there.close()
    try:
        yield Crowd(here)
    finally:
        here.close()
        process.join(10)
        process.kill()


def _stand(pipe: "Connection[list[float] | int, None]", wait: Wait) -> None:
    gc.disable()
    uvloop.run(_wait(pipe, wait))


async def _wait(pipe: "Connection[list[float] | int, None]", wait: Wait) -> None:
    waiters = await connect(wait)
    await asyncio.sleep(SETTLING_S)
    waiting = [one for one in waiters if one.waits]
    pipe.send(len(waiters) - len(waiting))
    try:
        await asyncio.to_thread(pipe.recv)
    except EOFError:
        return
    until = time.perf_counter() + TOLD_S
    for one in waiting:
        while not (one.told_at or one.lost) and time.perf_counter() < until:  # noqa: ASYNC110 - costs the waiters nothing
            await asyncio.sleep(0.05)
    pipe.send([one.told_at for one in waiting])


async def connect(wait: Wait) -> list[Waiter]:
    """All of them, `PER_S` a second."""
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    waiters: list[Waiter] = []
    for number in range(wait.count):
        await asyncio.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
        waiter = Waiter(wait.asks[number % len(wait.asks)], wait.told_by)
        await loop.create_connection(lambda waiter=waiter: waiter, "127.0.0.1", wait.port)  # type: ignore[misc]
        waiters.append(waiter)
    return waiters
