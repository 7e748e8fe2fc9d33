"""Publishing what was appended to `mailbox_events`: read as it lies in the log, acknowledged by the broker."""

import time
from collections.abc import Iterator

from infra.kafka.events import NAME
from scripts.benchmarks import processes
from scripts.benchmarks.report import Figure, absolute, p50
from scripts.benchmarks.stage import Stage, say
from scripts.benchmarks.topics import MAILBOXES, backlog, kafka, own_topics, publish_all

ROW = "publish"
GOAL_PER_S = 5_000


def measure(stage: Stage) -> Iterator[Figure]:
    """The rows of `publish`."""
    assert stage.servers is not None
    store = stage.store()
    say(f"{ROW}: {stage.sizes.published_events:,} deliveries in {MAILBOXES} mailboxes")
    backlog(store, stage.sizes.published_events)
    store.rows_done("DELETE FROM wake")  # the sweep wakes whoever is behind
    store.settle()
    per_s: list[float] = []
    cpu_ms: list[float] = []
    broker_ms: list[float] = []
    with kafka(own_topics(stage, store)) as parts:
        for turn in range(min(stage.sizes.rounds, 3)):
            say(f"{ROW}: round {turn + 1}")
            store.rows_done("DELETE FROM followers WHERE view = %s", (NAME,))
            began, own = time.perf_counter(), time.process_time()
            broker = processes.tree_cpu_s(stage.servers.pids["kafka"])
            published = publish_all(store, parts)
            per_s.append(published / (time.perf_counter() - began))
            cpu_ms.append((time.process_time() - own) * 1000 / published)
            broker_ms.append((processes.tree_cpu_s(stage.servers.pids["kafka"]) - broker) * 1000 / published)
    note = f"{published:,} events a round; CPU an event: publisher {p50(cpu_ms):.3f} ms, Kafka {p50(broker_ms):.3f} ms"
    yield absolute(ROW, "published events", p50(per_s), "/s", least=GOAL_PER_S, note=note)
    stage.drop(store)
