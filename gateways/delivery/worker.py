"""Leases records and delivers them together: all recipients of all leased records are in the lane at once.

The order of one record, of which a crash at any line loses and doubles nothing:

1. its object is read, and written back where something was forged in our name (`opened`);
2. attachments are touched and held for the record, then put (`book`, `gateways.attachments`);
3. one `Deliver` a mailbox, under a command id that a repeat meets again; its append holds object and attachments;
4. the object is replaced by the one with holes, whose attachments are durable and held by now;
5. the sender's mailbox is told, and notifications are queued; 6. the record is settled and its hold goes.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import msgspec

from domain.commands import Command, Outcome, Refusal
from domain.ids import MailboxId, new_id
from gateways import attachments
from gateways.appending import Appender
from gateways.blobs import Blobs, StorageFullError
from gateways.delivery.book import Book, Entry
from gateways.delivery.failures import OUTAGE_PAUSE_MS, Failures
from gateways.delivery.incoming import deliver_command, fingerprint
from gateways.delivery.notification import UNKNOWN_MAILBOX, Bounce, Notifications
from gateways.delivery.opened import OpenedMail, open_mail
from gateways.delivery.reports import report_of
from gateways.delivery.routes import RememberedDirectory, Routed, route
from gateways.directory import Directory
from gateways.mail_objects import replace_with_split
from gateways.queue import Leased, Queue, QueueUnavailableError

LEASED_AT_ONCE = 64
LEASE_S = 120.0
POLL_S = 1.0
RELAY_PAUSE_MS = 4 * 3_600_000
SUSPECT_INTERRUPTIONS = 2
MAX_INTERRUPTIONS = 5
BYTES_AT_ONCE = 32 << 20
"""How much of messages a worker holds in memory at a time, unless a single one is larger."""
NO_RELAY = "no relay is configured yet: kept until one is"
DELIVERED = "250 2.1.5 delivered"
_GONE = frozenset({"mailbox_unknown", "mailbox_erased"})


class _Job(msgspec.Struct, eq=False):
    """One leased record on its way: read, routed, its deliveries in the lane."""

    leased: Leased
    mail: OpenedMail
    routed: Routed
    futures: dict[MailboxId, "Future[Outcome]"] = {}
    settled: list[int] = []
    bounces: list[Bounce] = []


class DeliveryWorker:
    """Delivers what the queue holds. Any number of threads and processes side by side.

    `outages` are the errors of servers that do not answer. `wait` returns when there may be work, after the seconds
    given at the latest.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        blobs: Blobs,
        book: Book,
        appender: Appender,
        directory: Directory,
        domains: frozenset[str],
        hostname: str,
        outages: tuple[type[Exception], ...] = (),
        wait: Callable[[float], None] | None = None,
        clock_ms: Callable[[], int] | None = None,
        leased_at_once: int = LEASED_AT_ONCE,
        lease_s: float = LEASE_S,
        attempts: int = 3,
        outage_pause_s: float = OUTAGE_PAUSE_MS / 1000,
    ) -> None:
        self._queue = queue
        self._blobs = blobs
        self._book = book
        self._appender = appender
        self._directory = directory
        self._domains = domains
        self._outages: tuple[type[Exception], ...] = (QueueUnavailableError, StorageFullError, OSError, *outages)
        self._wait = wait
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._leased_at_once = leased_at_once
        self._lease_s = lease_s
        self._outage_pause_s = outage_pause_s
        self._failures = Failures(queue, attempts=attempts)
        self._notifications = Notifications(queue=queue, blobs=blobs, hostname=hostname, clock_ms=self._clock_ms)
        self._name = new_id("w")
        self._unreturned: list[Leased] = []
        self._outage = ""

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; what is in hand then is finished first. An outage is waited out."""
        wait = self._wait or (lambda seconds: stop.wait(seconds) and None)
        while not stop.is_set():
            try:
                worked = self.run_due()
            except self._outages:
                stop.wait(self._outage_pause_s)
                continue
            if not worked:
                wait(POLL_S)

    def run_due(self) -> int:
        """Lease what is due, once, and deliver it; how many records that were.

        Raises: an outage, where not even the queue can be told; the leases then end by themselves.
        """
        self._return_unreturned()
        leased = self._queue.lease(self._name, limit=self._leased_at_once, lease_s=self._lease_s)
        parts = list(_bounded(self._alone_if_suspect(leased)))
        while parts:
            part = parts.pop(0)
            try:
                self._attempt(part)
            except self._outages:
                self._unreturned.extend(one for rest in parts for one in rest)
                raise
        return len(leased)

    def _attempt(self, batch: Sequence[Leased]) -> None:
        """Deliver together; where that fails, each record by itself, so that only the guilty one is counted."""
        try:
            self._deliver(batch)
        except self._outages as outage:
            self._give_back(batch, outage)
        except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
            if len(batch) == 1:
                self._failures.failed(batch[0], batch[0].recipients, error=error, now_ms=self._clock_ms())
                return
            for leased in batch:
                self._attempt([leased])

    def _alone_if_suspect(self, leased: Sequence[Leased]) -> Sequence[Leased]:
        """A record at which workers died repeatedly is tried alone, so that it takes no other one with it."""
        suspects = [one for one in leased if one.interruptions >= SUSPECT_INTERRUPTIONS]
        if not suspects:
            return leased
        alone = suspects[0]
        for other in leased:
            if other is not alone:
                error = "waits behind a record at which workers died"
                self._failures.give_back(other, other.recipients, due_at=self._clock_ms(), error=error)
        if alone.interruptions < MAX_INTERRUPTIONS:
            return [alone]
        self._failures.bury(alone, error=f"{alone.interruptions} workers died while they delivered it")
        return []

    def _give_back(self, batch: Sequence[Leased], outage: Exception) -> None:
        """To be tried again soon; what the queue itself cannot be told now it is told first thing afterwards."""
        self._unreturned.extend(batch)
        self._outage = f"outage: {outage}"
        self._return_unreturned()

    def _return_unreturned(self) -> None:
        due_at = self._clock_ms() + int(self._outage_pause_s * 1000)
        while self._unreturned:
            leased = self._unreturned[-1]
            self._failures.give_back(leased, leased.recipients, due_at=due_at, error=self._outage)
            self._unreturned.pop()

    def _deliver(self, batch: Sequence[Leased]) -> None:
        directory = RememberedDirectory(self._directory)
        jobs = [job for leased in batch if (job := self._opened(leased, directory)) is not None]
        if not jobs:
            return
        first = self._book.enter([_entry(job) for job in jobs])
        for job in jobs:
            self._store_parts(job)
            for mailbox_id, recipients in job.routed.mailboxes.items():
                job.futures[mailbox_id] = self._appender.submit(
                    deliver_command(
                        job.leased.record,
                        job.mail.parsed,
                        mailbox_id=mailbox_id,
                        recipients=recipients,
                        first_acceptance=first[job.leased.record.acceptance_id, mailbox_id],
                        content_bytes=job.mail.content_bytes,
                        attachments=job.mail.attachment_names,
                    )
                )
        for job in jobs:
            self._collect(job)
        self._tell(jobs)
        self._queue.done([(job.leased.record.acceptance_id, job.settled) for job in jobs])

    def _opened(self, leased: Leased, directory: RememberedDirectory) -> _Job | None:
        """The record read and routed; none where it cannot be, which the queue is told."""
        routed = route(leased, directory, self._domains)
        try:
            mail = open_mail(self._blobs, leased.record)
        except self._outages as outage:
            self._give_back([leased], outage)
        except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
            self._failures.failed(leased, leased.recipients, error=error, now_ms=self._clock_ms())
        else:
            return _Job(leased, mail, routed)
        return None

    def _store_parts(self, job: _Job) -> None:
        """Before the append: attachments durable, forgeries gone."""
        if job.mail.parts:
            attachments.store(self._blobs, job.mail.parts)
        elif job.mail.stored is not None:
            self._blobs.put(job.leased.record.blob, job.mail.stored)

    def _collect(self, job: _Job) -> None:
        """After the append: what became of each mailbox, and the object with holes."""
        for mailbox_id, recipients in job.routed.mailboxes.items():
            try:
                job.futures[mailbox_id].result()
            except self._outages:
                raise
            except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
                self._refused(job, mailbox_id, error)
            else:
                job.settled.extend(recipients)
        if job.settled and job.mail.parts:
            self._leave_holes(job)
        for index in job.routed.gone:
            self._bounce(job, index)
        due_at = self._clock_ms() + RELAY_PAUSE_MS
        self._failures.give_back(job.leased, job.routed.elsewhere, due_at=due_at, error=NO_RELAY)

    def _leave_holes(self, job: _Job) -> None:
        """Replace the object, whose attachments were touched, put and held before the append."""
        name = job.leased.record.blob
        if job.mail.stored is not None:
            replace_with_split(self._blobs, name, job.mail.whole, job.mail.parsed, touch=lambda _sizes: None)

    def _refused(self, job: _Job, mailbox_id: MailboxId, error: Exception) -> None:
        recipients = job.routed.mailboxes[mailbox_id]
        if not isinstance(error, Refusal) or error.code not in _GONE:
            self._failures.failed(job.leased, recipients, error=error, now_ms=self._clock_ms())
        else:
            for index in recipients:
                self._bounce(job, index)

    @staticmethod
    def _bounce(job: _Job, index: int) -> None:
        job.bounces.append(Bounce(index, UNKNOWN_MAILBOX))
        job.settled.append(index)

    def _tell(self, jobs: Sequence[_Job]) -> None:
        """The senders' mailboxes are told all at once; then notifications are queued."""
        reports = [self._appender.submit(command) for job in jobs for command in _reports(job)]
        for reported in reports:
            error = reported.exception()
            if error is not None and not isinstance(error, Refusal):  # refused: sender or submission are gone
                raise error
        for job in jobs:
            if job.bounces:
                self._notifications.tell(job.leased.record, job.bounces)


def _bounded(batch: Sequence[Leased]) -> Iterator[Sequence[Leased]]:
    """The batch in parts of at most `BYTES_AT_ONCE`."""
    part: list[Leased] = []
    total = 0
    for leased in batch:
        size_bytes = leased.record.envelope.size_bytes
        if part and total + size_bytes > BYTES_AT_ONCE:
            yield part
            part, total = [], 0
        part.append(leased)
        total += size_bytes
    if part:
        yield part


def _reports(job: _Job) -> list[Command]:
    bounced = {bounce.recipient: bounce.reply for bounce in job.bounces}
    told = []
    for index in job.settled:
        status = "bounced" if index in bounced else "delivered"
        told.append(report_of(job.leased.record, index, status=status, last_reply=bounced.get(index, DELIVERED)))
    return [command for command in told if command is not None]


def _entry(job: _Job) -> Entry:
    record = job.leased.record
    return Entry(
        acceptance_id=record.acceptance_id,
        received_at=record.envelope.received_at,
        blob=record.blob,
        parsed=job.mail.parsed,
        attachments=attachments.blob_sizes(job.mail.parts),
        fingerprint=fingerprint(record, job.mail.parsed),
        mailboxes=tuple(job.routed.mailboxes),
    )
