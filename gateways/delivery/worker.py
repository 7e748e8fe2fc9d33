"""Leases records and delivers them together: all recipients of all leased records are in the lane at once.

The order of one record, of which a crash at any line loses and doubles nothing:

1. its object is read, and written back where something was forged in our name (`opened`); what waits for a scanner is
   looked at, and what is infected goes to the quarantine (`virus_gate`); what comes back of mail that was sent is told
   to its sender's mailbox (`returned`);
2. attachments are touched and held for the record, then put (`book`, `gateways.attachments`); the owners' rules are
   run, and what they send is put (`gateways.filtering`);
3. one `Deliver` a mailbox, under a command id that a repeat meets again; its append holds object and attachments;
4. the object is replaced by the one with holes, whose attachments are durable and held by now;
5. recipients elsewhere are the relay's; 6. the sender's mailbox is told, and notifications are queued; 7. the record is
settled and its hold goes.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from domain.commands import Outcome, Refusal
from domain.ids import MailboxId, new_id
from gateways import attachments
from gateways.blobs import StorageFullError
from gateways.delivery.failures import Failures
from gateways.delivery.jobs import Job, ask_owners, bounded, deliveries, entry_of, reports_of
from gateways.delivery.notification import UNKNOWN_MAILBOX, Bounce, Notifications
from gateways.delivery.opened import open_mail
from gateways.delivery.routes import NOTHING_RETURNS, Routes
from gateways.delivery.suspects import Suspects
from gateways.delivery.virus_gate import VirusGate
from gateways.delivery.warning import Warnings
from gateways.delivery.worker_parts import Outages, Pace, WorkerParts
from gateways.filtering.owner_rules import OwnerRules
from gateways.mail_objects import replace_with_split
from gateways.queue import Leased, QueueUnavailableError

POLL_S = 1.0
_GONE = frozenset({"mailbox_unknown", "mailbox_erased"})
_NO_OUTAGES = Outages()
_USUAL_PACE = Pace()


class DeliveryWorker:
    """Delivers what the queue holds. Any number of threads and processes side by side.

    `wait` returns when there may be work, after the seconds given at the latest. `name` is whom the queue's leases are
    given to.
    """

    def __init__(
        self,
        parts: WorkerParts,
        *,
        outages: Outages = _NO_OUTAGES,
        pace: Pace = _USUAL_PACE,
        wait: Callable[[float], None] | None = None,
        clock_ms: Callable[[], int] | None = None,
        name: str | None = None,
    ) -> None:
        self._parts = parts
        self._queue, self._blobs, self._appender = parts.queue, parts.blobs, parts.appender
        self._outages: tuple[type[Exception], ...] = (QueueUnavailableError, *outages.common)
        self._lone_outages: tuple[type[Exception], ...] = (StorageFullError, OSError, *outages.lone)
        self._pace = pace
        self._wait = wait
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._name = name or new_id("w")
        warnings = Warnings(queue=parts.queue, blobs=parts.blobs, hostname=parts.hostname, clock_ms=self._clock_ms)
        self._failures = Failures(parts.queue, warnings=warnings, attempts=pace.attempts)
        self._suspects = Suspects(parts.queue, self._failures)
        self._virus_gate = VirusGate(
            queue=parts.queue,
            failures=self._failures,
            clock_ms=self._clock_ms,
            quarantine=parts.quarantine,
            scanner=parts.scanner,
            patience_ms=pace.scanner_patience_ms,
        )
        self._notifications = Notifications(
            queue=parts.queue, blobs=parts.blobs, hostname=parts.hostname, clock_ms=self._clock_ms, srs=parts.srs
        )
        self._unreturned: list[Leased] = []
        self._outage = ""

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; what is in hand then is finished first. An outage is waited out."""
        wait = self._wait or (lambda seconds: stop.wait(seconds) and None)
        while not stop.is_set():
            try:
                worked = self.run_due()
            except (*self._outages, *self._lone_outages):
                stop.wait(self._pace.outage_pause_s)
                continue
            if not worked:
                wait(POLL_S)

    def run_due(self) -> int:
        """Lease what is due, once, and deliver it; how many records that were.

        Raises: an outage, where not even the queue can be told; the leases then end by themselves.
        """
        self._return_unreturned()
        leased = self._queue.lease(self._name, limit=self._pace.leased_at_once, lease_s=self._pace.lease_s)
        at_once, scanned_first = self._virus_gate.order(self._suspects.alone(leased))
        parts = [part for some in (at_once, scanned_first) for part in bounded(some, self._pace.bytes_at_once)]
        while parts:
            part = parts.pop(0)
            try:
                self._attempt(part)
            except (*self._outages, *self._lone_outages):
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
            if len(batch) > 1:
                for leased in batch:
                    self._attempt([leased])
            elif isinstance(error, self._lone_outages):
                self._give_back(batch, error)
            else:
                self._failures.failed(batch[0], batch[0].recipients, error=error, now_ms=self._clock_ms())

    def _give_back(self, batch: Sequence[Leased], outage: Exception) -> None:
        """To be tried again soon; what the queue itself cannot be told now it is told first thing afterwards."""
        self._unreturned.extend(batch)
        self._outage = f"outage: {outage}"
        self._return_unreturned()

    def _return_unreturned(self) -> None:
        due_at = self._clock_ms() + int(self._pace.outage_pause_s * 1000)
        while self._unreturned:
            leased = self._unreturned[-1]
            self._failures.give_back(leased, leased.recipients, due_at=due_at, error=self._outage)
            self._unreturned.pop()

    def _deliver(self, batch: Sequence[Leased]) -> None:
        addresses = NOTHING_RETURNS if self._parts.returns is None else self._parts.returns.addresses
        routes = Routes(batch, self._parts.directory, self._parts.domains, addresses)
        contents = self._blobs.read_all([leased.record.blob for leased in batch])
        jobs = [
            job for leased in batch if (job := self._opened(leased, contents[leased.record.blob], routes)) is not None
        ]
        if not jobs:
            return
        self._take_back(jobs)
        first = self._parts.book.enter([entry_of(job) for job in jobs])
        jobs = [job for job in jobs if self._are_parts_stored(job)]
        ask_owners(jobs, self._parts.personal)
        rules = self._parts.filters.rules_of({mailbox_id for job in jobs for mailbox_id in job.routed.mailboxes})
        jobs = [job for job in jobs if self._is_filtered(job, rules)]
        self._submit(jobs, first)
        for job in jobs:
            self._collect(job)
        self._tell(jobs)
        self._queue.done([(job.leased.record.acceptance_id, [*job.settled, *job.passed_on]) for job in jobs])
        self._parts.joint.over([job.leased.record for job in jobs if job.is_over])

    def _opened(self, leased: Leased, content: bytes | Exception, routes: Routes) -> Job | None:
        """The record read and routed; none where it cannot be, which the queue is told."""
        try:
            if isinstance(content, Exception):
                raise content
            mail = open_mail(self._blobs, leased.record, content)
            admitted = self._virus_gate.admit(leased, mail.whole)
        except self._outages:
            raise
        except self._lone_outages as outage:
            self._wait_for(leased, leased.recipients, outage)
        except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
            self._failures.failed(leased, leased.recipients, error=error, now_ms=self._clock_ms())
        else:
            return None if admitted is None else Job(admitted, mail, routes.of(admitted))
        return None

    def _take_back(self, jobs: Sequence[Job]) -> None:
        """What comes back of mail that was sent; what cannot be told now waits, its recipients alone."""
        returned = [job for job in jobs if job.routed.returned]
        if self._parts.returns is None or not returned:
            return
        for taken in self._parts.returns.take(returned):
            try:
                taken.finish()
            except self._outages:
                raise
            except self._lone_outages as outage:
                self._wait_for(taken.job.leased, [taken.index], outage)
            except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
                self._failures.failed(taken.job.leased, [taken.index], error=error, now_ms=self._clock_ms())

    def _are_parts_stored(self, job: Job) -> bool:
        """Before the append: attachments durable, and the object such that nobody reads in it what is not his."""
        try:
            if job.mail.safe is not None:
                self._blobs.put(job.leased.record.blob, job.mail.safe)
            attachments.store(self._blobs, job.mail.parts)
        except self._lone_outages as outage:
            self._wait_for(job.leased, job.leased.recipients, outage)
            return False
        return True

    def _is_filtered(self, job: Job, rules: Mapping[MailboxId, OwnerRules]) -> bool:
        """Before the append: every mailbox's rules run, and the objects of what they send durable."""
        record = job.leased.record
        try:
            for mailbox_id, recipients in job.routed.mailboxes.items():
                job.filtered[mailbox_id] = self._parts.filters.filtered(
                    record,
                    job.mail,
                    mailbox_id=mailbox_id,
                    recipients=recipients,
                    rules=rules.get(mailbox_id),
                    own=job.own_words.get(mailbox_id),
                )
        except self._outages:
            raise
        except self._lone_outages as outage:
            self._wait_for(job.leased, job.leased.recipients, outage)
            return False
        return True

    def _submit(self, jobs: Sequence[Job], first: Mapping[tuple[str, MailboxId], str]) -> None:
        """One `Deliver` a mailbox, all made before the first is in the lane: so it takes them in one commit."""
        made = [(job, command) for job in jobs for command in deliveries(job, first)]
        for job, command in made:
            job.futures[command.mailbox_id] = self._appender.submit(command)

    def _collect(self, job: Job) -> None:
        """After the append: what became of each mailbox, and the object with holes."""
        for mailbox_id, recipients in job.routed.mailboxes.items():
            try:
                job.futures[mailbox_id].result()
            except self._outages:
                raise
            except self._lone_outages as outage:
                self._wait_for(job.leased, recipients, outage)
            except Exception as error:  # noqa: BLE001 - counted against the record, in the end shown to an operator
                self._refused(job, mailbox_id, error)
            else:
                job.settled.extend(recipients)
        for index in job.routed.gone:
            self._bounce(job, index)
        if job.routed.elsewhere:
            self._parts.relay.take(job.leased.record, job.routed.elsewhere)
            job.passed_on.extend(job.routed.elsewhere)
        self._leave_holes(job)

    def _leave_holes(self, job: Job) -> None:
        """Replace the object, whose attachments were touched, put and held before the append."""
        if not job.settled or not job.mail.parts or job.mail.stored is None:
            return
        name = job.leased.record.blob
        try:
            replace_with_split(self._blobs, name, job.mail.whole, job.mail.parsed, touch=lambda _sizes: None)
        except self._lone_outages as outage:
            self._unsettle(job, outage)

    def _refused(self, job: Job, mailbox_id: MailboxId, error: Exception) -> None:
        recipients = job.routed.mailboxes[mailbox_id]
        if not isinstance(error, Refusal) or error.code not in _GONE:
            self._failures.failed(job.leased, recipients, error=error, now_ms=self._clock_ms())
        else:
            for index in recipients:
                self._bounce(job, index)

    @staticmethod
    def _bounce(job: Job, index: int) -> None:
        job.bounces.append(Bounce(index, UNKNOWN_MAILBOX))
        job.settled.append(index)

    def _wait_for(self, leased: Leased, recipients: Sequence[int], outage: Exception) -> None:
        """These recipients wait until what they alone need is there again."""
        due_at = self._clock_ms() + int(self._pace.outage_pause_s * 1000)
        self._failures.give_back(leased, recipients, due_at=due_at, error=f"outage: {outage}")

    def _unsettle(self, job: Job, outage: Exception) -> None:
        """What is delivered already is done again, once the rest of the work on it can be: a repeat doubles nothing."""
        self._wait_for(job.leased, job.settled, outage)
        job.settled.clear()
        job.bounces.clear()

    def _tell(self, jobs: Sequence[Job]) -> None:
        """The senders' mailboxes are told all at once; then notifications are queued."""
        told = [(job, [self._appender.submit(command) for command in reports_of(job)]) for job in jobs]
        for job, reports in told:
            try:
                self._finish_telling(job, reports)
            except self._outages:
                raise
            except self._lone_outages as outage:
                self._unsettle(job, outage)

    def _finish_telling(self, job: Job, reports: Sequence["Future[Outcome]"]) -> None:
        for reported in reports:
            error = reported.exception()
            if error is not None and not isinstance(error, Refusal):  # refused: sender or submission are gone
                raise error
        if job.bounces and not self._parts.joint.take(job.leased.record, job.bounces):
            self._notifications.tell(job.leased.record, job.bounces)
