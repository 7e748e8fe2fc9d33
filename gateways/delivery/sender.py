"""What owners send: out of the outbox, recipients here into the queue, all others to the relay.

The order of one submission, of which a crash at any line loses and doubles nothing:

1. it is claimed under its mailbox row's lock (`outbox`): from here on no undo, and checks judge it (`validation`);
2. its message less Bcc is put under a name derived from the submission;
3. one queue record with all recipients here, under an acceptance id derived from the submission;
4. recipients elsewhere are handed to the relay in the commit that ends it here, one due mail a destination.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from functools import partial

import msgspec

from domain.addresses import AddressInvalidError, EmailAddress
from domain.automatic_mail import STREAMS
from domain.commands import Refusal
from domain.ids import MailboxId
from domain.sending_record import SPAM
from gateways.appending import Appender
from gateways.blobs import Blobs, StorageFullError, mail_blob_name
from gateways.bounces.suppression import SUPPRESSED, Suppressions
from gateways.delivery.joint_notice import Apart, JointNotices
from gateways.delivery.outbox import Outbox, Sending
from gateways.delivery.reports import refuse, report
from gateways.delivery.validation import LEAVES, Validation
from gateways.envelope import Envelope, Recipient
from gateways.mime.compose import strip_bcc
from gateways.mime.holes import storable
from gateways.outgoing import DueMail
from gateways.queue import Queue, QueueRecord, QueueUnavailableError
from gateways.told_mail import ToldMail, read_told_mail

LEASED_AT_ONCE = 50
LEASE_S = 60.0
POLL_S = 0.5
OUTAGE_PAUSE_S = 5.0
LONE_OUTAGE_PAUSE_MS = 5_000
ATTEMPTS = 3
FAILURE_PAUSE_MS = 60_000
UNREADABLE = "554 5.3.0 the message cannot be read"
_OPEN = frozenset({"queued", "deferred"})


class Sender:
    """Sends what is due. Any number of threads and processes side by side.

    `outages` and `lone_outages` are those of the worker. With an executor what several mailboxes send is sent side by
    side, what one sends in its order.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        queue: Queue,
        blobs: Blobs,
        appender: Appender,
        domains: frozenset[str],
        hostname: str,
        outages: tuple[type[Exception], ...] = (),
        lone_outages: tuple[type[Exception], ...] = (),
        clock_ms: Callable[[], int] | None = None,
        suppressions: Suppressions | None = None,
        validation: Validation | None = None,
        joint: JointNotices | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._outbox = outbox
        self._joint = joint or Apart()
        self._queue = queue
        self._blobs = blobs
        self._appender = appender
        self._domains = domains
        self._hostname = hostname
        self._outages: tuple[type[Exception], ...] = (QueueUnavailableError, *outages)
        self._lone_outages: tuple[type[Exception], ...] = (StorageFullError, OSError, *lone_outages)
        self._validation = validation
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._suppressions = suppressions
        self._executor = executor

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set. An outage is waited out."""
        while not stop.is_set():
            try:
                sent = self.run_due()
            except (*self._outages, *self._lone_outages):
                stop.wait(OUTAGE_PAUSE_S)
                continue
            if not sent:
                stop.wait(POLL_S)

    def run_due(self) -> int:
        """Send what is due, once; how many submissions that were.

        Raises: an outage; what is leased is due again when its lease ends.
        """
        leased = self._outbox.lease(limit=LEASED_AT_ONCE, lease_s=LEASE_S)
        by_mailbox: dict[MailboxId, list[Sending]] = {}
        for sending in leased:
            by_mailbox.setdefault(sending.mailbox_id, []).append(sending)
        if self._executor is None:
            for its in by_mailbox.values():
                self._send_all(its)
            return len(leased)
        under_way = [self._executor.submit(partial(self._send_all, its)) for its in by_mailbox.values()]
        wait(under_way)
        for one in under_way:
            one.result()
        return len(leased)

    def _send_all(self, leased: Sequence[Sending]) -> None:
        for sending in leased:
            self._send_or_wait(sending)

    def _send_or_wait(self, sending: Sending) -> None:
        """An outage that is this submission's own is on show, and those behind it are sent."""
        try:
            self._send_or_fail(sending)
        except self._outages:
            raise
        except self._lone_outages as outage:
            due_at = self._clock_ms() + LONE_OUTAGE_PAUSE_MS
            self._outbox.wait(sending, due_at=due_at, error=f"outage: {outage}")

    def _send_or_fail(self, sending: Sending) -> None:
        try:
            if self._may_leave(sending):
                self._send(sending)
        except (*self._outages, *self._lone_outages):
            raise
        except Exception as error:  # noqa: BLE001 - counted against the submission, in the end told to its sender
            self._failed(sending, error)

    def _may_leave(self, sending: Sending) -> bool:
        """Whether nothing is held against it. What is refused is over, and told to its sender; what waits is due again
        then. What was handed over for anybody has been judged."""
        is_new = sending.attempts == sending.failures and _OPEN.issuperset(sending.statuses)
        if self._validation is None or not is_new:
            return True
        judged = self._validation.judge(sending)
        if judged.reason:
            refuse(self._appender, sending, judged.reason, check=SPAM if SPAM in judged.refused_by else "")
            self._outbox.done(sending)
        elif judged.waits_until is not None:
            waits = f"waits for its checks: {', '.join(judged.waits_for)}"
            self._outbox.wait(sending, due_at=judged.waits_until, error=waits)
        return judged == LEAVES

    def _send(self, sending: Sending) -> None:
        waiting = self._unsuppressed(sending)
        here = [place for place in waiting if self._is_here(sending.recipients[place].address)]
        elsewhere = self._elsewhere(sending, [place for place in waiting if place not in here])
        if here and sending.attempts == sending.failures:  # never worked through yet
            if elsewhere:
                self._joint.expect(sending.mailbox_id, sending.submission_id)
            self._queue.put(msgspec.structs.replace(self._record(sending, here), is_shared=bool(elsewhere)))
        if elsewhere:
            self._outbox.relay(sending, elsewhere)
        else:
            self._outbox.done(sending)

    @staticmethod
    def _elsewhere(sending: Sending, places: Sequence[int]) -> list[DueMail]:
        by_domain: dict[str, list[int]] = {}
        for place in places:
            by_domain.setdefault(EmailAddress.parse(sending.recipients[place].address).domain, []).append(place)
        return [
            DueMail(
                domain=domain,
                mailbox_id=sending.mailbox_id,
                submission_id=sending.submission_id,
                recipients=tuple(its),
                attempt=1,
            )
            for domain, its in by_domain.items()
        ]

    def _unsuppressed(self, sending: Sending) -> list[int]:
        """The open recipients, less those on the sender's suppression list, which are reported as rejected."""
        waiting = [place for place, status in enumerate(sending.statuses) if status in _OPEN]
        if self._suppressions is None or not waiting:
            return waiting
        addresses = [sending.recipients[place].address for place in waiting]
        suppressed = self._suppressions.is_suppressed(sending.mailbox_id, addresses)
        refused = [place for place in waiting if sending.recipients[place].address in suppressed]
        self._report(sending, refused, status="rejected", reply=SUPPRESSED)
        return [place for place in waiting if place not in refused]

    def _record(self, sending: Sending, places: Sequence[int]) -> QueueRecord:
        raw = read_told_mail(self._blobs, sending.blob, ToldMail(size_bytes=sending.size_bytes))
        if sending.stream not in STREAMS:  # what arrived and is forwarded is nobody's draft: it stays as it is
            raw = strip_bcc(raw)
        acceptance_id = _derived_id(sending)
        blob = mail_blob_name(acceptance_id, sending.claimed_at)
        stored = storable(raw)
        self._queue.expect(blob, size_bytes=len(stored))
        self._blobs.put(blob, stored)
        envelope = Envelope(
            acceptance_id=acceptance_id,
            received_at=sending.claimed_at,
            reverse_path=sending.mail_from,
            recipients=tuple(_recipient(sending, place) for place in places),
            body_type="8BITMIME",
            smtputf8=not sending.mail_from.isascii(),
            requiretls=False,
            ret=sending.ret,
            envid=sending.envid,
            helo=self._hostname,
            peer="127.0.0.1",
            protocol="ESMTPA",
            tls=None,
            hostname=self._hostname,
            size_bytes=len(raw),
            content_sha256=hashlib.sha256(raw).hexdigest(),
            source="sent",
            submission_id=sending.submission_id,
            sender_mailbox=sending.mailbox_id,
        )
        return QueueRecord(envelope=envelope, blob=blob, submission_recipients=tuple(places))

    def _failed(self, sending: Sending, error: Exception) -> None:
        failures = sending.failures + 1
        if failures < ATTEMPTS:
            due_at = self._clock_ms() + FAILURE_PAUSE_MS * failures
            self._outbox.postpone(sending, due_at=due_at, failures=failures, error=f"{type(error).__name__}: {error}")
            return
        waiting = [place for place, status in enumerate(sending.statuses) if status in _OPEN]
        self._report(sending, waiting, status="bounced", reply=UNREADABLE)
        self._outbox.done(sending)

    def _report(self, sending: Sending, places: Sequence[int], *, status: str, reply: str) -> None:
        told = [
            self._appender.submit(
                report(
                    sending.mailbox_id,
                    sending.submission_id,
                    place,
                    status=status,
                    last_reply=reply,
                    attempts=sending.attempts + 1,
                )
            )
            for place in places
        ]
        for future in told:
            error = future.exception()
            if error is not None and not isinstance(error, Refusal):  # refused: sender or submission are gone
                raise error

    def _is_here(self, address: str) -> bool:
        """Whether the queue takes it: an address here, or what is none, which the worker bounces."""
        try:
            return EmailAddress.parse(address).domain in self._domains
        except AddressInvalidError:
            return True


def _recipient(sending: Sending, place: int) -> Recipient:
    wanted = sending.recipients[place]
    return Recipient(wanted.address, orcpt=wanted.orcpt, notify=wanted.notify)


def _derived_id(sending: Sending) -> str:
    return "a" + hashlib.sha256(f"sent:{sending.mailbox_id}:{sending.submission_id}".encode()).hexdigest()[:31]
