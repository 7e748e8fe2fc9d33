"""Topics of a measurement's own in the stage's Kafka, and a backlog of events to send through them."""

import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

import psycopg

from domain.commands import Outcome
from domain.ids import MailboxId
from infra.followers import Follower, sweep
from infra.kafka.events import NAME, EventsView, SealedLog
from infra.kafka.parts import KafkaParts
from infra.settings import load
from infra.store.recorder import MailboxRecorder, datastore
from scripts.benchmarks.mails import BLOBS, delivery
from scripts.benchmarks.stage import Stage, Store
from scripts.benchmarks.two_mailboxes import IN_FLIGHT

MAILBOXES = 64


def own_topics(stage: Stage, store: Store) -> Mapping[str, str]:
    """The settings of an installation on this database whose topics and groups are nobody else's."""
    own = {"LEDGERMAIL_DATABASE_URL": store.url, "LEDGERMAIL_KAFKA_PREFIX": f"bench-{secrets.token_hex(4)}."}
    return {**stage.environment, **own}


@contextmanager
def kafka(settings: Mapping[str, str]) -> Iterator[KafkaParts]:
    """The parts in Kafka, their topics there until the end."""
    parts = KafkaParts(load(settings))
    parts.make_topics()
    try:
        yield parts
    finally:
        parts.close()
        with parts.cluster.admin() as admin:
            admin.delete_topics(list(parts.topics.wanted()))


def backlog(store: Store, events: int) -> list[MailboxId]:
    """New mailboxes whose logs hold so many deliveries, which came to one after another."""
    mailboxes = store.open_mailboxes(MAILBOXES)
    waiting: deque[Future[Outcome]] = deque()
    for number in range(events):
        command = delivery(mailboxes[number % MAILBOXES], number // MAILBOXES, blob=number % BLOBS)
        waiting.append(store.lane.submit(command))
        if len(waiting) >= IN_FLIGHT:
            waiting.popleft().result()
    for future in waiting:
        future.result()
    return mailboxes


def publish_all(store: Store, parts: KafkaParts) -> int:
    """Publish the whole log, as the service does what was appended; how many events that were."""
    events = datastore(store.url, pool_size=1)
    view = EventsView(parts.publisher, parts.topics.events)
    follower = Follower(store.url, SealedLog(MailboxRecorder(events)), view, mailboxes=MAILBOXES)
    published = 0
    try:
        with psycopg.connect(store.url, autocommit=True) as connection:
            sweep(connection, NAME, now_ms=0)
            while done := follower.step(connection):
                published += done
    finally:
        events.close()
    return published
