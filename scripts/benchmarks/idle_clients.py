"""Many clients that wait for something new: what each costs, and how soon all are told."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
import uvloop

from scripts.benchmarks import processes
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.http_client import request
from scripts.benchmarks.mails import delivery
from scripts.benchmarks.report import Figure, absolute, ms, p50
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.stage import Stage, say

ROW = "idle"
ACCOUNTS = 16
PER_S = 320
"""New waiters a second: below the limits of 400 requests an address and 50 an account."""
TOLD_S = 20.0
HTTP = "http"


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


class _Found(msgspec.Struct):
    waiting: int = 0
    refused: int = 0
    kb_each: float = 0.0
    threads: tuple[int, int] = (0, 0)
    connections: tuple[int, int] = (0, 0)
    told_s: list[float] = []
    never_told: int = 0


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `idle`."""
    count = stage.sizes.idle_clients
    holders = open_accounts(stage.folder, [f"idle{number}" for number in range(ACCOUNTS)])
    for kind in ("wait=60", "SSE"):
        with service(stage) as running:  # a fresh one: what the others left free would hide what these take
            running.wait_until("followers", running.followers_are_up)
            say(f"{ROW}: {count:,} clients by {kind}")
            found = uvloop.run(_wait(stage, running, holders, kind, count))
            yield from _figures(kind, found)
            yield running.memory(ROW, f"idle clients by {kind}")


def _figures(kind: str, found: _Found) -> Iterator[Figure]:
    whole = f"{found.waiting:,} by {kind}"
    yield absolute(
        ROW, f"{whole}: memory of the HTTP process, each", found.kb_each, "KB", most=30.0,
        note=f"RSS while they wait less RSS before; {found.refused} were refused",
    )  # fmt: skip
    yield absolute(ROW, f"{whole}: more threads", found.threads[1] - found.threads[0], "", most=8)
    yield absolute(
        ROW, f"{whole}: more database connections", found.connections[1] - found.connections[0], "", most=8,
        note=f"threads {found.threads[0]} → {found.threads[1]}, connections {found.connections[0]} →"
        f" {found.connections[1]}: pools grow to their bounds, whatever the clients",
    )  # fmt: skip
    last = max(found.told_s, default=float("nan")) if not found.never_told else float("inf")
    note = f"one event in each of {ACCOUNTS} mailboxes; p50 {ms(p50(found.told_s)):.0f} ms; {found.never_told} not told"
    yield absolute(ROW, f"{whole}: all told after", ms(last), "ms", most=500.0, note=note)


async def _wait(stage: Stage, running: Service, holders: Sequence[Holder], kind: str, count: int) -> _Found:
    found = _Found()
    heads = {one.mailbox_id: stage.installation.facts.head(one.mailbox_id) for one in holders}
    asks = [_ask(holder, head.seq if (head := heads[holder.mailbox_id]) else 0, kind) for holder in holders]
    await _warm(running, asks[0])
    before_kb, before = processes.rss_kb(running.pid, HTTP), _held(stage, running)
    waiters = await _connect(running.http, asks, count, told_by=b"data: {" if kind == "SSE" else b'"since"')
    try:
        await asyncio.sleep(2.0)
        found.refused = sum(one.lost or bool(one.told_at) or one.status not in (b"", b"200") for one in waiters)
        found.waiting = count - found.refused
        found.kb_each = (processes.rss_kb(running.pid, HTTP) - before_kb) / max(found.waiting, 1)
        after = _held(stage, running)
        found.threads, found.connections = (before[0], after[0]), (before[1], after[1])
        waiting = [one for one in waiters if not (one.lost or one.told_at)]
        at = await asyncio.to_thread(_happen, stage, holders)
        await _until_told(waiting)
        found.told_s = [one.told_at - at for one in waiting if one.told_at]
        found.never_told = len(waiting) - len(found.told_s)
    finally:
        for one in waiters:
            if one.transport is not None:
                one.transport.abort()
    return found


def _ask(holder: Holder, since: int, kind: str) -> bytes:
    if kind == "SSE":
        return request(f"/v1/sync?since={since}", holder.token, accept="text/event-stream")
    return request(f"/v1/sync?since={since}&wait=60", holder.token)


async def _warm(running: Service, ask: bytes) -> None:
    """What the first clients of all make the process load does not count as the others' share."""
    first = await _connect(running.http, [ask], 40, told_by=b"\xff")
    await asyncio.sleep(1.0)
    for one in first:
        if one.transport is not None:
            one.transport.abort()
    await asyncio.sleep(0.5)


async def _connect(port: int, asks: Sequence[bytes], count: int, *, told_by: bytes) -> list[Waiter]:
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    waiters: list[Waiter] = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
        waiter = Waiter(asks[number % len(asks)], told_by)
        await loop.create_connection(lambda waiter=waiter: waiter, "127.0.0.1", port)  # type: ignore[misc]
        waiters.append(waiter)
    return waiters


def _held(stage: Stage, running: Service) -> tuple[int, int]:
    """Threads of the HTTP process, connections of the database."""
    rows = stage.installation.rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    return processes.threads(running.pid, HTTP), int(rows[0][0])


def _happen(stage: Stage, holders: Sequence[Holder]) -> float:
    """One event in every mailbox, gathered into one commit; when it was durable."""
    number = time.time_ns() % 10**9
    futures = [stage.installation.lane.submit(delivery(one.mailbox_id, number, blob=1)) for one in holders]
    for future in futures:
        future.result()
    return time.perf_counter()


async def _until_told(waiters: Sequence[Waiter]) -> None:
    until = time.perf_counter() + TOLD_S
    for one in waiters:
        while not (one.told_at or one.lost) and time.perf_counter() < until:  # noqa: ASYNC110 - costs the waiters nothing
            await asyncio.sleep(0.05)
