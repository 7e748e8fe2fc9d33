"""`/sync` one event behind over real HTTP: the mailbox's size, one client alone, and 64 clients while mail comes in."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec
import uvloop

from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.http_client import HttpClient
from scripts.benchmarks.report import Figure, absolute, compared, ms, p50, p99
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.smtp_client import Load, Sent, send
from scripts.benchmarks.stage import Stage, say
from scripts.benchmarks.two_mailboxes import TwoMailboxes, two_mailboxes

ROW = "sync"
BURST = 20
"""Requests in a row of one account, one such burst a second: below the limit of 50 a second."""
ACCOUNTS = 8
CLIENTS = 64
ASKS_PER_S = 5
MAILS_PER_S = 100
RECIPIENTS = 16


class _Synced(msgspec.Struct):
    events: list[msgspec.Raw]
    head: int


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `sync`."""
    two = two_mailboxes(stage)
    others = open_accounts(stage, [f"asker{number}" for number in range(ACCOUNTS - 1)])
    recipients = open_accounts(stage, [f"recipient{number}" for number in range(RECIPIENTS)])
    with service(stage) as running:
        say(f"{ROW}: the followers read what the lane wrote")
        running.wait_until("followers", running.followers_are_up)
        yield from _alone(stage, two, running)
        yield running.memory(ROW, "one client's /sync")
        yield from _under_ingest(stage, [two.large, *others], recipients, running)
        yield running.memory(ROW, "64 clients and ingest")


def _alone(stage: Stage, two: TwoMailboxes, running: Service) -> Iterator[Figure]:
    say(f"{ROW}: one client, no ingest")
    times = uvloop.run(_bursts(running.http, two.both, stage.sizes.http_reads))
    small, large = (p50(times[holder.address]) for holder in two.both)
    name = f"one event behind over HTTP, p50 with {stage.sizes.large:,}"
    yield absolute(ROW, f"{name}: 1 client, no ingest", ms(large), "ms", most=1.5)
    yield compared(
        ROW, name, ms(large), "ms", peer=f"with {stage.sizes.small:,} messages", peer_value=ms(small), most=1.2
    )


async def _bursts(port: int, holders: Sequence[Holder], reads: int) -> dict[str, list[float]]:
    """Burst by burst, the holders in turn, so that each stays below its limit of requests."""
    times: dict[str, list[float]] = {holder.address: [] for holder in holders}
    for burst in range(max(1, reads // BURST)):
        began = time.perf_counter()
        for holder in holders if burst % 2 else reversed(holders):
            async with HttpClient(port, holder.token) as client:
                since = await _one_behind(client)
                for _ in range(BURST):
                    at = time.perf_counter()
                    await client.get(f"/v1/sync?since={since}")
                    times[holder.address].append(time.perf_counter() - at)
        await asyncio.sleep(max(0.0, began + 1.0 - time.perf_counter()))
    return times


async def _one_behind(client: HttpClient) -> int:
    head = msgspec.json.decode(await client.get("/v1/sync?since=0&limit=1"), type=_Synced).head
    return max(0, head - 1)


def _under_ingest(
    stage: Stage, askers: Sequence[Holder], recipients: Sequence[Holder], running: Service
) -> Iterator[Figure]:
    seconds = stage.sizes.sync_load_s
    say(f"{ROW}: {CLIENTS} clients, {ASKS_PER_S}/s each, {MAILS_PER_S} mails/s for {seconds:.0f} s")
    load = Load(
        port=running.smtp,
        recipients=[one.address for one in recipients],
        messages=int(MAILS_PER_S * seconds),
        connections=4,
        run=f"sync{time.time_ns()}",
        per_s=MAILS_PER_S,
    )
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as sender:
        sending = sender.submit(send_all, load)
        cpu = time.process_time()
        times = uvloop.run(_ask_all(running.http, askers, seconds))
        cpu = time.process_time() - cpu
        sent = sending.result(timeout=seconds * 4 + 60)
    asked = [one for mine in times.values() for one in mine]
    of_large = times[askers[0].address]
    note = (
        f"{len(asked):,} answers at {len(asked) / seconds:.0f}/s, p50 {ms(p50(asked)):.2f} ms;"
        f" {len(sent.latencies_s):,} mails at {len(sent.latencies_s) / sent.elapsed_s:.0f}/s;"
        f" clients' CPU {cpu / seconds:.2f}"
    )
    yield absolute(ROW, f"{CLIENTS} clients under ingest, p99", ms(p99(asked)), "ms", most=15.0, note=note)
    yield absolute(
        ROW,
        f"those of the {CLIENTS} that ask for {stage.sizes.large:,} messages, p99",
        ms(p99(of_large)),
        "ms",
        most=15.0,
        note=f"{len(of_large):,} answers",
    )


def send_all(load: Load) -> Sent:
    """Send in this process."""
    return uvloop.run(send(load))


async def _ask_all(port: int, askers: Sequence[Holder], seconds: float) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {holder.address: [] for holder in askers}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            holder = askers[number % len(askers)]
            group.create_task(
                _ask(port, holder, times[holder.address], began + number / (CLIENTS * ASKS_PER_S), seconds)
            )
    return times


async def _ask(port: int, holder: Holder, times: list[float], began: float, seconds: float) -> None:
    async with HttpClient(port, holder.token) as client:
        await asyncio.sleep(max(0.0, began - time.perf_counter()))
        since = await _one_behind(client)
        for turn in range(1, int(seconds * ASKS_PER_S)):
            await asyncio.sleep(max(0.0, began + turn / ASKS_PER_S - time.perf_counter()))
            at = time.perf_counter()
            await client.get(f"/v1/sync?since={since}")
            times.append(time.perf_counter() - at)
