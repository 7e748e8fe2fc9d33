"""The parts of the composition root that mail passes through after SMTP: queue, reception, worker, sender, timers."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import psycopg

from domain.ids import new_id
from gateways.delivery.quota_notice import QuotaNotices
from gateways.delivery.sender import Sender
from gateways.delivery.worker import DeliveryWorker
from gateways.mail_objects import read_mail
from gateways.reception import Reception
from infra.composition import Parts
from infra.dead_letters import DeadLetters
from infra.delivery_book import PostgresBook
from infra.extracts import Extracts
from infra.keys import KeyMissingError
from infra.postgres_outbox import PostgresOutbox
from infra.postgres_queue import PostgresQueue
from infra.queue_hints import AttendedQueue, QueueHints
from infra.reception import QueueReception
from infra.spam.parts import personal_filters
from infra.store.lane import LaneClosedError
from infra.timed_appender import TimedAppender
from infra.timers import Timers, duties
from infra.trail.appender import ToldAppender
from infra.trail.queue import ToldQueue
from infra.trail.reception import ToldReception

if TYPE_CHECKING:
    from infra.kafka.incoming import KafkaQueue

OUTAGES: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    LaneClosedError,
    ConnectionError,
)
"""What servers that do not answer raise."""
LONE_OUTAGES: tuple[type[Exception], ...] = (KeyMissingError,)
"""What stands in the way of one mailbox alone and is waited out, beside errors of files."""


class DeliveryParts:
    """Made from the parts of one process, when first asked for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._domains = frozenset(parts.settings.domains)

    @property
    def queue(self) -> "PostgresQueue | KafkaQueue":
        """What was accepted and is not yet delivered."""
        return self._parts.queue

    @cached_property
    def reception(self) -> Reception:
        """What every door through which mail comes in needs behind it."""
        return ToldReception(
            QueueReception(
                directory=self._parts.directory,
                domains=self._domains,
                blobs=self._parts.blobs,
                queue=self.queue,
                connect=self._parts.connect,
            )
        )

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """What an operator looks into."""
        return DeadLetters(
            self._parts.connect,
            queue=self.queue,
            blobs=self._parts.blobs,
            hostname=self._parts.settings.hostname,
            clock_ms=_now_ms,
        )

    @cached_property
    def extracts(self) -> Extracts:
        """What messages say, without opening their objects."""
        return Extracts(self._parts.connect, lambda name: read_mail(self._parts.blobs, name))

    def worker(self) -> DeliveryWorker:
        """A worker, for one thread. What workers held that live no more is due from now on."""
        name = new_id("w")
        hints = QueueHints(self._parts.conninfo, name)
        hints.attend()
        self.queue.end_leases_of_the_dead()
        return DeliveryWorker(
            queue=ToldQueue(AttendedQueue(self.queue, hints)),
            blobs=self._parts.blobs,
            book=PostgresBook(self._parts.connect, repeat_days=self._parts.settings.repeat_days),
            appender=ToldAppender(TimedAppender(self._parts.lane)),
            directory=self._parts.directory,
            domains=self._domains,
            hostname=self._parts.settings.hostname,
            outages=OUTAGES,
            lone_outages=LONE_OUTAGES,
            personal=personal_filters(self._parts),
            wait=self._wait(hints),
            attempts=self._parts.settings.delivery_attempts,
            name=name,
        )

    def _wait(self, hints: QueueHints) -> Callable[[float], None]:
        """What wakes a worker: in Postgres a hint, in Kafka a record."""
        return hints.wait if isinstance(self.queue, PostgresQueue) else self.queue.wait

    def sender(self) -> Sender:
        """A sender, for one thread."""
        return Sender(
            outbox=PostgresOutbox(self._parts.connect, self._parts.reader),
            queue=ToldQueue(self.queue),
            blobs=self._parts.blobs,
            appender=self._parts.lane,
            domains=self._domains,
            hostname=self._parts.settings.hostname,
            outages=OUTAGES,
            lone_outages=LONE_OUTAGES,
        )

    def timers(self) -> Timers:
        """All that happens because time passes."""
        settings, kafka = self._parts.settings, self._parts.kafka
        return Timers(
            duties(
                connect=self._parts.connect,
                appender=self._parts.lane,
                blobs=self._parts.blobs,
                keys=self._parts.keys,
                letters=self.dead_letters,
                leases=self.queue,
                notices=QuotaNotices(queue=self.queue, blobs=self._parts.blobs, hostname=settings.hostname),
                trash_days=settings.trash_days,
                repeat_days=settings.repeat_days,
                dead_letter_days=settings.dead_letter_days,
                blob_grace_hours=settings.blob_grace_hours,
                waits_from_before=None if kafka is None else kafka.backlog.has_any_from_before,
            )
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
