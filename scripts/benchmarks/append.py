"""Appending with the views in step, beside the library's stock insert and a bare INSERT, each at its best."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from queue import SimpleQueue
from typing import Any, Protocol

import msgspec
import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from infra.store.recorder import datastore
from scripts.benchmarks.mails import BLOBS, delivery
from scripts.benchmarks.report import Figure, absolute, compared, ms, p50, p99
from scripts.benchmarks.stage import DELAYED, Stage, Store, say

ROW = "append"
CLIENTS = (1, 16, 64)
MADE_PER_S = 5_000
"""Commands made before a turn, as the peers' rows are: making one is nobody's append."""


class Turn(msgspec.Struct):
    """One contestant's turn: how long each append took, and all of them together."""

    latencies_s: list[float] = []
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Appends a second."""
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s else 0.0


class Contestant(Protocol):
    """Appends one event a command (or commit) from a number of closed-loop clients."""

    def turn(self, clients: int, seconds: float) -> Turn:
        """Append for so long."""


class ThroughLane:
    """Deliveries of a summary into many mailboxes through one lane: events, rows, command, wake-up."""

    def __init__(self, store: Store, mailboxes: int) -> None:
        self._lane = store.lane
        self._mailboxes = store.open_mailboxes(mailboxes)
        self._numbers = count()
        self._made: deque[Any] = deque()

    def _made_now(self) -> Any:
        number = next(self._numbers)
        return delivery(self._mailboxes[number * 7919 % len(self._mailboxes)], number, blob=number % BLOBS)

    def _next(self) -> Any:
        return self._made.popleft() if self._made else self._made_now()

    def turn(self, clients: int, seconds: float) -> Turn:
        """Clients as callbacks: each submits again as soon as it is answered."""
        for _ in range(int(MADE_PER_S * seconds) - len(self._made)):
            self._made.append(self._made_now())
        answered: SimpleQueue[tuple[float, float, Any]] = SimpleQueue()
        turn, began = Turn(), time.perf_counter()
        if clients == 1:
            while time.perf_counter() < began + seconds:
                command, at = self._next(), time.perf_counter()
                self._lane.run(command)
                turn.latencies_s.append(time.perf_counter() - at)
            turn.elapsed_s = time.perf_counter() - began
            return turn

        def submit() -> None:
            command, at = self._next(), time.perf_counter()
            future = self._lane.submit(command)
            future.add_done_callback(lambda done: answered.put((at, time.perf_counter(), done)))

        for _ in range(clients):
            submit()
        waiting = clients
        while waiting:
            at, answered_at, future = answered.get()
            future.result()
            turn.latencies_s.append(answered_at - at)
            if answered_at < began + seconds:
                submit()
            else:
                waiting -= 1
        turn.elapsed_s = time.perf_counter() - began
        return turn


class ByThreads:
    """A thread and a connection a client; `clients` opens what they use and hands each its own append."""

    def __init__(self, clients: Callable[[int], Any]) -> None:
        self._clients = clients

    def turn(self, clients: int, seconds: float) -> Turn:
        """Every client appends again as soon as its commit is answered."""
        turn = Turn()
        with self._clients(clients) as appends:
            start = threading.Barrier(clients + 1)
            times: list[list[float]] = [[] for _ in appends]
            threads = [
                threading.Thread(target=_append_until, args=(append, seconds, start, mine), daemon=True)
                for append, mine in zip(appends, times, strict=True)
            ]
            for thread in threads:
                thread.start()
            start.wait()
            began = time.perf_counter()
            for thread in threads:
                thread.join()
            turn.elapsed_s = time.perf_counter() - began
        turn.latencies_s = [one for mine in times for one in mine]
        return turn


def _append_until(append: Callable[[], None], seconds: float, start: threading.Barrier, times: list[float]) -> None:
    append()  # prepares the statement, outside the time
    start.wait()
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        append()
        times.append(time.perf_counter() - began)


def stock_clients(store: Store, state: bytes) -> Callable[[int], Any]:
    """The library's recorder as it is, in a table of its own with text ids: one event a commit."""
    streams = count()

    @contextmanager
    def clients(number: int) -> Iterator[list[Callable[[], None]]]:
        events = datastore(store.url, pool_size=number, max_overflow=0)
        events.pre_ping = False
        recorder = PostgresApplicationRecorder(events, events_table_name="stock_events")
        recorder.create_table()

        def append_to(stream: str) -> Callable[[], None]:
            versions = count(1)

            def append() -> None:
                recorder.insert_events(
                    [
                        StoredEvent(
                            originator_id=stream,  # type: ignore[arg-type]  # text ids are asked for above
                            originator_version=next(versions),
                            topic="MessageDelivered",
                            state=state,
                        )
                    ]
                )

            return append

        try:
            yield [append_to(f"stock{next(streams)}") for _ in range(number)]
        finally:
            events.close()

    return clients


_PLAIN_TABLE = (
    "CREATE TABLE IF NOT EXISTS plain_events (originator_id text, originator_version bigint, topic text, state bytea,"
    " recorded_at bigint, key_id text, hash bytea, PRIMARY KEY (originator_id, originator_version))"
)
_PLAIN = "INSERT INTO plain_events VALUES (%s, %s, %s, %s, %s, %s, %s)"


def plain_clients(store: Store, state: bytes) -> Callable[[int], Any]:
    """A prepared INSERT of an event-sized row in autocommit: one round trip, one commit."""
    streams = count()
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(_PLAIN_TABLE)

    @contextmanager
    def clients(number: int) -> Iterator[list[Callable[[], None]]]:
        with ExitStack() as closing:
            yield [_plain_append(closing, store.url, f"plain{next(streams)}", state) for _ in range(number)]

    return clients


def _plain_append(closing: ExitStack, url: str, stream: str, state: bytes) -> Callable[[], None]:
    connection = closing.enter_context(psycopg.connect(url, autocommit=True))
    cursor, versions, chained = connection.cursor(binary=True), count(1), os.urandom(32)

    def append() -> None:
        row = (stream, next(versions), "MessageDelivered", state, time.time_ns() // 1_000_000, "k0123456789", chained)
        cursor.execute(_PLAIN, row, prepare=True)

    return append


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `append`."""
    sizes = stage.sizes
    stores = {"": stage.store(), " delayed": stage.store(DELAYED)}
    state = os.urandom(_event_bytes(stores[""]))
    contestants: dict[str, Contestant] = {}
    for suffix, store in stores.items():
        contestants[f"lane{suffix}"] = ThroughLane(store, sizes.append_mailboxes)
        contestants[f"stock{suffix}"] = ByThreads(stock_clients(store, state))
        contestants[f"plain{suffix}"] = ByThreads(plain_clients(store, state))
    for contestant in contestants.values():
        contestant.turn(4, 0.5)
    for store in stores.values():
        store.settle()
    for clients in CLIENTS:
        turns: dict[str, list[Turn]] = {name: [] for name in contestants}
        for number in range(sizes.rounds):
            say(f"{ROW}: {clients} clients, round {number + 1} of {sizes.rounds}")
            for name, contestant in contestants.items():
                turns[name].append(contestant.turn(clients, sizes.append_s))
        for suffix in stores:
            yield from _figures(clients, suffix, turns)
    yield absolute(ROW, "sealed bytes of the event, and of the peers' rows", len(state), "bytes")
    for store in stores.values():
        stage.drop(store)


def _event_bytes(store: Store) -> int:
    mailbox_id = store.open_mailboxes(1)[0]
    store.lane.run(delivery(mailbox_id, 1))
    found = store.rows("SELECT octet_length(state) FROM stored_events WHERE topic = 'MessageDelivered' LIMIT 1")
    return int(found[0][0])


def _figures(clients: int, suffix: str, turns: dict[str, list[Turn]]) -> Iterator[Figure]:
    lane, stock, plain = (_median(turns[f"{name}{suffix}"]) for name in ("lane", "stock", "plain"))
    delay = " (commit_delay=1000, commit_siblings=0)" if suffix else ""
    at = f"{clients} client{'s' if clients > 1 else ''}{delay}"
    largest = clients == CLIENTS[-1]
    yield compared(
        ROW, f"{at}: events", lane[0], "/s", peer="library insert_events", peer_value=stock[0],
        least=8.0 if largest else None,
    )  # fmt: skip
    yield compared(
        ROW, f"{at}: events", lane[0], "/s", peer="plain INSERT", peer_value=plain[0], least=0.25 if largest else None
    )
    yield compared(ROW, f"{at}: p50", ms(lane[1]), "ms", peer="plain INSERT", peer_value=ms(plain[1]))
    yield compared(ROW, f"{at}: p99", ms(lane[2]), "ms", peer="plain INSERT", peer_value=ms(plain[2]))
    if clients == 1:
        yield absolute(ROW, f"{at}: p50 above a plain INSERT", ms(lane[1] - plain[1]), "ms",
                       most=1.0 if suffix else None)  # fmt: skip


def _median(turns: list[Turn]) -> tuple[float, float, float]:
    """Events a second, p50 and p99 in seconds: the median of the turns."""
    return (
        p50([turn.per_s for turn in turns]),
        p50([p50(turn.latencies_s) for turn in turns]),
        p50([p99(turn.latencies_s) for turn in turns]),
    )
