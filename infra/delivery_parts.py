"""The parts of the composition root that mail passes through after SMTP: queue, reception, worker, sender, timers."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

import psycopg

from domain.addresses import EmailAddress
from domain.ids import MailboxId, new_id
from gateways.appending import Appender
from gateways.delivery.routes import ReturnAddresses
from gateways.mail_objects import read_mail
from gateways.queue import Queue
from gateways.reception import Reception
from infra.accounts.directory import operator_address
from infra.blob_references import toucher
from infra.composition import Parts
from infra.dead_letters import DeadLetters
from infra.extracts import Extracts
from infra.keys import KeyMissingError
from infra.postgres_queue import PostgresQueue
from infra.quarantine import PostgresQuarantine
from infra.queue_hints import AttendedQueue, QueueHints
from infra.reception import QueueReception
from infra.store.lane import LaneClosedError
from infra.timed_appender import TimedAppender
from infra.trail.appender import ToldAppender
from infra.trail.queue import ToldQueue
from infra.trail.reception import ToldReception

if TYPE_CHECKING:
    from gateways.delivery.returned import Returns
    from gateways.delivery.sender import Sender
    from gateways.delivery.validation import SideBySide
    from gateways.delivery.worker import DeliveryWorker
    from gateways.filtering.filters import Filters
    from infra.kafka.incoming import KafkaQueue
    from infra.reporting_parts import ReportingParts
    from infra.timers import Timers

OUTAGES: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    LaneClosedError,
    ConnectionError,
)
"""What servers that do not answer raise."""
LONE_OUTAGES: tuple[type[Exception], ...] = (KeyMissingError,)
"""What stands in the way of one mailbox alone and is waited out, beside errors of files."""
SENDERS = 6
"""Mailboxes whose mail is handed on at a time; what ends together is one commit."""
CHECKS = 8
"""Checks of mail that leaves at a time; none of them outlasts its server's patience."""


class DeliveryParts:
    """Made from the parts of one process, when first asked for; what only some roles need is imported with it, for it
    takes half a second and 10 MB in all."""

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
                return_paths=self._parts.return_paths,
                complaints=self._return_addresses.complaints,
                srs=self._parts.srs,
            )
        )

    @cached_property
    def _return_addresses(self) -> ReturnAddresses:
        complaints = self._parts.settings.complaints
        canonical = None if complaints is None else EmailAddress.parse(complaints).canonical
        return ReturnAddresses(self._parts.return_paths, canonical)

    def _returns(self, queue: Queue, appender: Appender) -> "Returns":
        """What becomes of mail that comes back."""
        from gateways.delivery.late_bounce import LateBounces
        from gateways.delivery.returned import Returns
        from infra.submission_owners import SubmissionOwners

        notices = LateBounces(
            queue=queue, blobs=self._parts.blobs, hostname=self._parts.settings.hostname, clock_ms=_now_ms
        )
        return Returns(
            addresses=self._return_addresses,
            appender=appender,
            notices=notices,
            owner=SubmissionOwners(self._parts.connect, self._parts.reader).to_be_told,
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
    def quarantine(self) -> PostgresQuarantine:
        """Where infected mail lies."""
        return PostgresQuarantine(self._parts.connect)

    @cached_property
    def extracts(self) -> Extracts:
        """What messages say, without opening their objects."""
        return Extracts(self._parts.connect, lambda name: read_mail(self._parts.blobs, name))

    def worker(self) -> "DeliveryWorker":
        """A worker, for one thread. What workers held that live no more is due from now on."""
        from gateways.delivery.worker import DeliveryWorker
        from gateways.delivery.worker_parts import Outages, Pace, WorkerParts
        from infra.delivery_book import PostgresBook
        from infra.relay.joint_notices import PostgresJointNotices
        from infra.relay.records import PostgresRelaying
        from infra.spam.parts import personal_filters

        name = new_id("w")
        hints = QueueHints(self._parts.conninfo, name, folder=self._parts.wakes_folder)
        hints.attend()
        self.queue.end_leases_of_the_dead()
        queue = ToldQueue(AttendedQueue(self.queue, hints))
        appender = ToldAppender(TimedAppender(self._parts.lane))
        settings = self._parts.settings
        parts = WorkerParts(
            queue=queue,
            blobs=self._parts.blobs,
            book=PostgresBook(self._parts.connect, repeat_days=settings.repeat_days),
            appender=appender,
            directory=self._parts.directory,
            relay=PostgresRelaying(self._parts.connect),
            domains=self._domains,
            hostname=settings.hostname,
            filters=self._filters,
            personal=personal_filters(self._parts),
            srs=self._parts.srs,
            returns=self._returns(queue, appender),
            quarantine=self.quarantine,
            scanner=None if self._parts.virus is None else self._parts.virus.scanner,
            joint=PostgresJointNotices(self._parts.connect),
        )
        return DeliveryWorker(
            parts,
            outages=Outages(common=OUTAGES, lone=LONE_OUTAGES),
            pace=Pace(
                attempts=settings.delivery_attempts,
                scanner_patience_ms=settings.unscreened_minutes * 60_000,
            ),
            wait=self._wait(hints),
            name=name,
        )

    @cached_property
    def _filters(self) -> "Filters":
        """What runs owners' rules, for all workers of the process."""
        from gateways.filtering.filters import Filters
        from gateways.filtering.forwarded import Forwarding
        from infra.owner_rules import PostgresRuleBook

        settings = self._parts.settings
        return Filters(
            book=PostgresRuleBook(self._parts.connect),
            queue=self.queue,
            blobs=self._parts.blobs,
            hostname=settings.hostname,
            forwarding=Forwarding(self._parts.srs, self._parts.dkim_keys, self._domains),
            clock_ms=_now_ms,
        )

    def _wait(self, hints: QueueHints) -> Callable[[float], None]:
        """What wakes a worker: in Postgres a hint, in Kafka a record."""
        return hints.wait if isinstance(self.queue, PostgresQueue) else self.queue.wait

    def sender(self) -> "Sender":
        """A sender, for one thread."""
        from gateways.delivery.sender import Sender
        from infra.postgres_outbox import PostgresOutbox
        from infra.relay.joint_notices import PostgresJointNotices

        return Sender(
            outbox=PostgresOutbox(self._parts.connect, self._parts.reader),
            queue=ToldQueue(self.queue),
            blobs=self._parts.blobs,
            appender=self._parts.lane,
            domains=self._domains,
            hostname=self._parts.settings.hostname,
            outages=OUTAGES,
            lone_outages=LONE_OUTAGES,
            suppressions=self._parts.suppressions,
            validation=self.validation,
            joint=PostgresJointNotices(self._parts.connect),
            executor=ThreadPoolExecutor(SENDERS, thread_name_prefix="sender"),
        )

    @cached_property
    def validation(self) -> "SideBySide":
        """What is checked before mail leaves."""
        from gateways.delivery.policy_check import PolicyCheck
        from gateways.delivery.unsubscribed_check import UnsubscribedCheck
        from gateways.delivery.validation import Check, SideBySide
        from gateways.virus.attachment_check import AttachmentCheck
        from infra.postgres_findings import PostgresFindings
        from infra.postgres_unsubscribes import PostgresUnsubscribes

        settings, virus = self._parts.settings, self._parts.virus
        checks: list[Check] = [
            PolicyCheck(
                recipients=settings.max_recipients,
                message_bytes=settings.max_message_bytes,
                blocked_files=settings.blocked_files,
            )
        ]
        checks.append(UnsubscribedCheck(PostgresUnsubscribes(self._parts.connect)))
        if settings.spam == "on":
            from infra.spam.parts import outgoing_check

            checks.append(outgoing_check(self._parts))
        if virus is not None:
            checks.append(AttachmentCheck(virus.scanner, patience_ms=settings.unscreened_minutes * 60_000))
        return SideBySide(
            checks,
            findings=PostgresFindings(self._parts.connect),
            blobs=self._parts.blobs,
            executor=ThreadPoolExecutor(CHECKS, thread_name_prefix="checks"),
        )

    def timers(self) -> "Timers":
        """All that happens because time passes."""
        from gateways.delivery.quota_notice import QuotaNotices
        from infra.timers import Timers, duties

        settings, kafka = self._parts.settings, self._parts.kafka
        return Timers(
            duties(
                connect=self._parts.connect,
                appender=self._parts.lane,
                blobs=self._parts.blobs,
                keys=self._parts.keys,
                letters=self.dead_letters,
                leases=self.queue,
                quarantine=self.quarantine,
                notices=QuotaNotices(queue=self.queue, blobs=self._parts.blobs, hostname=settings.hostname),
                trash_days=settings.trash_days,
                repeat_days=settings.repeat_days,
                dead_letter_days=settings.dead_letter_days,
                quarantine_days=settings.quarantine_days,
                blob_grace_hours=settings.blob_grace_hours,
                sent_archive_days=settings.sent_archive_days,
                waits_from_before=None if kafka is None else kafka.backlog.has_any_from_before,
                reporting=self._reporting if settings.dmarc_reports == "on" else None,
                tls_reporting=self._tls_reporting if settings.tls_reports == "on" else None,
            )
        )

    def _reporting(self, now_ms: int) -> int:
        """Aggregate reports of days that are over are sent."""
        from infra.dmarc_reporting import DmarcReporting  # only who reports pays for it

        return DmarcReporting(**self._of_reports()).run_due(now_ms)

    def _tls_reporting(self, now_ms: int) -> int:
        """Reports on TLS of days that are over are sent."""
        from infra.tls_reporting import TlsReporting  # only who reports pays for it

        return TlsReporting(**self._of_reports()).run_due(now_ms)

    def _of_reports(self) -> "ReportingParts":
        from infra.authentication import resolver  # only who reports pays for it

        settings, directory = self._parts.settings, self._parts.directory

        def mailbox_of(address: EmailAddress) -> MailboxId:
            entry = directory.find(address.canonical)
            assert entry is not None, "the operator's account is made before anything is served"
            return entry.mailbox_id

        return {
            "connect": self._parts.connect,
            "resolver": lambda: resolver(settings),
            "blobs": self._parts.blobs,
            "appender": self._parts.lane,
            "touch": toucher(self._parts.connect),
            "sender": operator_address(settings),
            "mailbox_of": mailbox_of,
            "hostname": settings.hostname,
        }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
