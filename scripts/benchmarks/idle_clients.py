"""Many clients that wait for something new: what each costs, and how soon all are told."""

import time
from collections.abc import Iterator, Sequence

import msgspec

from scripts.benchmarks import processes
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.http_client import request
from scripts.benchmarks.idle_crowd import Wait, crowd
from scripts.benchmarks.mails import delivery
from scripts.benchmarks.report import Figure, absolute, ms, p50
from scripts.benchmarks.service import Service, service
from scripts.benchmarks.stage import Stage, say

ROW = "idle"
ACCOUNTS = 16
WARMING = 40
HTTP = "http"


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
    holders = open_accounts(stage, [f"idle{number}" for number in range(ACCOUNTS)])
    for kind in ("wait=60", "SSE"):
        with service(stage) as running:  # a fresh one: what the others left free would hide what these take
            running.wait_until("followers", running.followers_are_up)
            say(f"{ROW}: {count:,} clients by {kind}")
            found = _wait(stage, running, holders, kind, count)
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


def _wait(stage: Stage, running: Service, holders: Sequence[Holder], kind: str, count: int) -> _Found:
    found = _Found()
    heads = {one.mailbox_id: stage.installation.facts.head(one.mailbox_id) for one in holders}
    asks = [_ask(holder, head.seq if (head := heads[holder.mailbox_id]) else 0, kind) for holder in holders]
    wait = Wait(running.http, asks, count, told_by=b"data: {" if kind == "SSE" else b'"since"')
    with crowd(msgspec.structs.replace(wait, count=WARMING)):
        pass  # what the first clients of all make the process load does not count as the others' share
    before_kb, before = processes.rss_kb(running.pid, HTTP), _held(stage, running)
    with crowd(wait) as waiting:
        found.refused = waiting.refused
        found.waiting = count - found.refused
        found.kb_each = (processes.rss_kb(running.pid, HTTP) - before_kb) / max(found.waiting, 1)
        after = _held(stage, running)
        found.threads, found.connections = (before[0], after[0]), (before[1], after[1])
        at = _happen(stage, holders)
        found.told_s = [told_at - at for told_at in waiting.told_at() if told_at]
        found.never_told = found.waiting - len(found.told_s)
    return found


def _ask(holder: Holder, since: int, kind: str) -> bytes:
    if kind == "SSE":
        return request(f"/v1/sync?since={since}", holder.token, accept="text/event-stream")
    return request(f"/v1/sync?since={since}&wait=60", holder.token)


def _held(stage: Stage, running: Service) -> tuple[int, int]:
    """Threads of the HTTP process, connections of the database."""
    rows = stage.installation.rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    return processes.threads(running.pid, HTTP), int(rows[0][0])


def _happen(stage: Stage, holders: Sequence[Holder]) -> float:
    """One event in every mailbox, gathered into one commit of each lane; when the last was durable."""
    number = time.time_ns() % 10**9
    futures = [stage.installation.lane.submit(delivery(one.mailbox_id, number, blob=1)) for one in holders]
    for future in futures:
        future.result()
    return time.perf_counter()
