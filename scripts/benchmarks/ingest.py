"""Mail coming in by SMTP: how fast, what CPU by stage, how soon its owner sees it; with and without search."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import msgspec
import uvloop

from scripts.benchmarks import dovecot, processes
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.http_client import request
from scripts.benchmarks.report import Figure, absolute, compared, ms, p50, p99
from scripts.benchmarks.service import WITHOUT_FOLLOWERS, Service, service
from scripts.benchmarks.smtp_client import Load, Sent, send
from scripts.benchmarks.stage import Stage, say

ROW = "ingest"
CONNECTIONS = (1, 4, 16)
RECIPIENTS = 16
WATCHED = 1
"""Recipients whose stream is watched: enough to see how soon, few enough to cost little."""
SEEN_S = 60.0
_SUBJECT = re.compile(rb'"subject":"([a-z0-9]+)#(\d+)#')


class Run(msgspec.Struct):
    """One load, measured to the end of the last delivery."""

    sent: Sent
    seen_after_s: list[float]
    watched: int
    cpu_s: dict[str, float]
    client_cpu_s: float
    drained_s: float
    messages: int

    @property
    def per_s(self) -> float:
        """Accepted, a second."""
        return self.messages / self.sent.elapsed_s

    @property
    def delivered_per_s(self) -> float:
        """Delivered, a second."""
        return self.messages / self.drained_s

    @property
    def cpu_per_1000_s(self) -> float:
        """CPU seconds of all processes for 1,000 mails."""
        return sum(self.cpu_s.values()) * 1000 / self.messages


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `ingest`."""
    recipients = open_accounts(stage, [f"ingested{number}" for number in range(RECIPIENTS)])
    rounds = 1 if stage.sizes.rounds < 5 else 2
    runs: dict[tuple[str, int], list[Run]] = {}
    peer: dict[int, list[tuple[float, float]]] = {}
    with ExitStack() as closing:
        port_and_pid = _peer(stage, closing)
        for turn in range(rounds):
            for told, only in (("with search", ""), ("without search", WITHOUT_FOLLOWERS)):
                with service(stage, only=only) as running:
                    for connections in CONNECTIONS:
                        say(f"{ROW}: {connections} connections, {told}, round {turn + 1} of {rounds}")
                        found = run(stage, running, recipients, connections, followed=not only)
                        runs.setdefault((told, connections), []).append(found)
                        if port_and_pid is not None:
                            say(f"{ROW}: {connections} connections, Dovecot")
                            peer.setdefault(connections, []).append(
                                _run_peer(stage, recipients, connections, *port_and_pid)
                            )
                    yield running.memory(ROW, f"ingest {told}, round {turn + 1}")
    for (told, connections), found_runs in runs.items():
        yield from figures(told, connections, found_runs, peer.get(connections, []))
    if port_and_pid is None:
        yield Figure(row=ROW, name="beside Dovecot's LMTP", note="not installed (apt-get install dovecot-lmtpd)")


def _peer(stage: Stage, closing: ExitStack) -> tuple[int, int] | None:
    return closing.enter_context(dovecot.dovecot(stage.folder / "dovecot")) if dovecot.is_installed() else None


def load_of(port: int, recipients: Sequence[Holder], messages: int, connections: int, *, lmtp: bool = False) -> Load:
    return Load(
        port=port,
        recipients=[one.address for one in recipients],
        messages=messages,
        connections=connections,
        run=f"r{time.time_ns()}",
        lmtp=lmtp,
    )


def run(stage: Stage, running: Service, recipients: Sequence[Holder], connections: int, *, followed: bool) -> Run:
    """One load through a running service."""
    load = load_of(running.smtp, recipients, _messages(stage, connections), connections)
    watched = recipients[:WATCHED]
    expected = _appended(stage) + load.messages
    before, own = running.cpu_s(), time.process_time()
    sent, seen = uvloop.run(_send_and_watch(running, load, watched))
    own = time.process_time() - own
    running.wait_until("delivery", lambda: _appended(stage) >= expected)
    drained_s = time.perf_counter() - sent.began_at
    if followed:
        running.wait_until("followers", running.followers_are_up)
    after = running.cpu_s()
    used = {role: seconds - before.get(role, 0.0) for role, seconds in after.items()}
    accepted = {number: at for number, at in sent.accepted_at.items() if number % len(recipients) < WATCHED}
    after_s = [max(0.0, seen[number] - at) for number, at in accepted.items() if number in seen]
    return Run(sent, after_s, len(accepted), used, own, drained_s, load.messages)


def _appended(stage: Stage) -> int:
    """Events of all mailboxes: each mail is one."""
    return int(stage.installation.rows("SELECT sum(head) FROM mailboxes")[0][0])


def _messages(stage: Stage, connections: int) -> int:
    """Fewer where one connection sends them one after another."""
    return stage.sizes.ingest_messages // (2 if connections == 1 else 1)


async def _send_and_watch(running: Service, load: Load, watched: Sequence[Holder]) -> tuple[Sent, dict[int, float]]:
    seen: dict[int, float] = {}
    expected = sum(number % len(load.recipients) < len(watched) for number in range(load.messages))
    all_seen = asyncio.Event()
    watching = [asyncio.create_task(_watch(running, holder, load.run, seen, expected, all_seen)) for holder in watched]
    try:
        await asyncio.sleep(0.3)
        sent = await send(load)
        try:
            await asyncio.wait_for(all_seen.wait(), SEEN_S if expected else 0.01)
        except TimeoutError:
            say(f"{ROW}: {expected - len(seen)} of {expected} were not seen in {SEEN_S:.0f} s")
    finally:
        for task in watching:
            task.cancel()
    return sent, seen


async def _watch(
    running: Service, holder: Holder, run: str, seen: dict[int, float], expected: int, all_seen: asyncio.Event
) -> None:
    """One stream of server-sent events, from the head on; when each mail of this run came."""
    head = running.stage.installation.facts.head(holder.mailbox_id)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.http, limit=2**22)
    try:
        writer.write(request(f"/v1/sync?since={head.seq if head else 0}", holder.token, accept="text/event-stream"))
        while line := await reader.readline():
            if (found := _SUBJECT.search(line)) is not None and found[1].decode() == run:
                seen.setdefault(int(found[2]), time.perf_counter())
                if len(seen) >= expected:
                    all_seen.set()
    finally:
        writer.close()


def _run_peer(stage: Stage, recipients: Sequence[Holder], connections: int, port: int, pid: int) -> tuple[float, float]:
    """Messages a second and CPU seconds for 1,000."""
    load = load_of(port, recipients, _messages(stage, connections), connections, lmtp=True)
    before = _dovecot_cpu_s(pid)
    sent = uvloop.run(send(load))
    return load.messages / sent.elapsed_s, (_dovecot_cpu_s(pid) - before) * 1000 / load.messages


def _dovecot_cpu_s(pid: int) -> float:
    return processes.tree_cpu_s(pid)


def figures(
    told: str, connections: int, runs: Sequence[Run], peer: Sequence[tuple[float, float]], *, judged: bool = True
) -> Iterator[Figure]:
    """What these runs of one kind came to; `judged`: against the goals of the embedded profile."""
    at = f"{connections} connection{'s' if connections > 1 else ''} {told}"
    goal = judged and connections == CONNECTIONS[-1]
    run = sorted(runs, key=lambda one: one.per_s)[len(runs) // 2]
    first = sorted(one.per_s for one in runs)[len(runs) // 2]
    note = (
        f"delivered {run.delivered_per_s:.0f}/s; accept p50 {ms(p50(run.sent.latencies_s)):.1f} ms, p99"
        f" {ms(p99(run.sent.latencies_s)):.1f} ms; the client's own CPU {run.client_cpu_s * 1000 / run.messages:.2f} s"
    )
    yield absolute(ROW, f"{at}: accepted", first, "/s", least=500.0 if goal else None, note=note)
    yield absolute(ROW, f"{at}: delivered", run.delivered_per_s, "/s", least=500.0 if goal else None)
    split = ", ".join(f"{role} {seconds * 1000 / run.messages:.2f}" for role, seconds in sorted(run.cpu_s.items()))
    most = 2.8 if goal and told == "without search" else None
    yield absolute(ROW, f"{at}: CPU for 1,000", run.cpu_per_1000_s, "s", most=most, note=split)
    missing = run.watched - len(run.seen_after_s)
    seen = f"{len(run.seen_after_s)} of {run.watched} watched mails seen"
    yield absolute(ROW, f"{at}: accepted to visible, p50", ms(p50(run.seen_after_s)), "ms")
    yield absolute(
        ROW, f"{at}: accepted to visible, p99", ms(p99(run.seen_after_s)) if not missing else float("inf"), "ms",
        most=2000.0, note=seen,
    )  # fmt: skip
    if peer:
        yield compared(
            ROW, f"{at}: accepted", first, "/s", peer="Dovecot LMTP", peer_value=p50([rate for rate, _ in peer]),
            note=dovecot.SETTINGS,
        )  # fmt: skip
        yield compared(
            ROW, f"{at}: CPU for 1,000", run.cpu_per_1000_s, "s", peer="Dovecot LMTP",
            peer_value=p50([cpu for _, cpu in peer]),
        )  # fmt: skip
