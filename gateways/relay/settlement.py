"""What became of recipients made to last: the sender's log is told, then the schedule, then the sender by mail.

The order, of which a crash at any line loses nothing and repeats nothing that is seen: reports have command ids that a
repeat meets again; the schedule keeps whom the notification names until it is in the queue, under an id that a repeat
meets again; a submission is forgotten last.
"""

from collections.abc import Callable, Sequence

import msgspec

from domain.commands import Refusal
from gateways.appending import Appender
from gateways.bounces.kinds import kind_of
from gateways.delivery.notification import Bounce, Notifications
from gateways.delivery.own_mail import derived_id
from gateways.delivery.reports import Report, report
from gateways.envelope import Envelope, Recipient
from gateways.outgoing import OutgoingMail
from gateways.queue import QueueRecord
from gateways.relay.parcels import Parcel
from gateways.relay.retries import Retries
from gateways.relay.schedule import Ended, Outcome, Schedule, Settled, SubmissionKey

GIVEN_UP = "4.4.7 given up after {days} days: {reply}"
"""RFC 3463 section 3.5: the delivery time has expired; told as a failure."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt has come to for some recipients of a parcel; `is_over` where all of them have been tried."""

    parcel: Parcel
    outcomes: tuple[Outcome, ...]
    is_over: bool
    due_again_at: int | None = None
    """When to try those deferred again, where that is not for the retries to say: nothing was tried, nothing counts."""


class Settlement:
    """Settles many at once. Calls block."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        outgoing: OutgoingMail,
        appender: Appender,
        notifications: Notifications,
        hostname: str,
        clock_ms: Callable[[], int],
        retries: Retries | None = None,
    ) -> None:
        self._schedule = schedule
        self._outgoing = outgoing
        self._appender = appender
        self._notifications = notifications
        self._hostname = hostname
        self._clock_ms = clock_ms
        self._retries = retries or Retries()

    def settle(self, tried: Sequence[Tried]) -> Sequence[Tried]:
        """Settle them; as they were settled, those given up as bounced. Safe to repeat.

        Raises: an outage; some may have been settled.
        """
        now = self._clock_ms()
        final = [self._with_times(one, now) for one in tried]
        self._report(final)
        parcels = {_key(one.parcel): one.parcel for one in tried}
        settled = [
            Settled(due=one.parcel.due, outcomes=one.outcomes, due_again_at=one.due_again_at if one.is_over else None)
            for one in final
        ]
        ended = self._schedule.settle(settled)
        for end in ended:
            self._tell_of_end(end, parcels[end.key])
        self._schedule.forget([end.key for end in ended])
        for one in final:
            self._tell_of_delay(one, now)
        self._outgoing.done([one.parcel.due for one in final if one.is_over])
        return final

    def _tell_of_end(self, ended: Ended, parcel: Parcel) -> None:
        """The sender hears of all that failed, once, however often it is called."""
        if not ended.told:
            return
        record = record_of(parcel, hostname=self._hostname)
        failed = [Bounce(one.recipient, one.reply) for one in ended.told if one.status == "bounced"]
        relayed = [Bounce(one.recipient, one.reply, action="relayed") for one in ended.told if one.status == "relayed"]
        self._notifications.tell(record, [*failed, *relayed])

    def _with_times(self, tried: Tried, now: int) -> Tried:
        """Those deferred for the last time bounce; the others have their next time."""
        if not tried.is_over:
            return tried
        parcel = tried.parcel
        again = self._retries.next_at(attempt=parcel.due.attempt, queued_at=parcel.queued_at, now_ms=now)
        if again is not None:
            return msgspec.structs.replace(tried, due_again_at=tried.due_again_at or again)
        outcomes = tuple(self._given_up(one) if one.status == "deferred" else one for one in tried.outcomes)
        return msgspec.structs.replace(tried, outcomes=outcomes, due_again_at=now)

    def _given_up(self, outcome: Outcome) -> Outcome:
        days = self._retries.give_up_ms // 86_400_000
        reply = f"{outcome.reply[:3]} {GIVEN_UP.format(days=days, reply=outcome.reply)}"
        return Outcome(outcome.recipient, "bounced", reply)

    def _report(self, tried: Sequence[Tried]) -> None:
        futures = [self._appender.submit(command) for one in tried for command in _reports(one)]
        for future in futures:
            error = future.exception()
            if error is not None and not isinstance(error, Refusal):  # refused: sender or submission are gone
                raise error

    def _tell_of_delay(self, tried: Tried, now: int) -> None:
        parcel = tried.parcel
        is_late = now - parcel.queued_at >= self._retries.tell_ms
        is_deferred = any(one.status == "deferred" for one in tried.outcomes)
        if not tried.is_over or not is_deferred or not is_late or parcel.is_delay_told:
            return
        waiting = self._schedule.open_recipients(_key(parcel))
        delayed = [
            Bounce(place, reply or "451 4.4.7 not tried yet", action="delayed") for place, reply in waiting.items()
        ]
        self._notifications.tell(record_of(parcel, hostname=self._hostname), delayed)
        self._schedule.note_delay(_key(parcel))


def record_of(parcel: Parcel, *, hostname: str) -> QueueRecord:
    """The parcel as notifications know it: an acceptance with all its recipients."""
    envelope = Envelope(
        acceptance_id=derived_id(f"relay:{parcel.mailbox_id}:{parcel.submission_id}"),
        received_at=parcel.queued_at,
        reverse_path=parcel.mail_from,
        recipients=tuple(Recipient(one.address, one.orcpt, one.notify) for one in parcel.recipients),
        body_type="8BITMIME",
        smtputf8=not parcel.mail_from.isascii(),
        requiretls=False,
        ret=parcel.ret,
        envid=parcel.envid,
        helo=hostname,
        peer="127.0.0.1",
        protocol="ESMTP",
        tls=None,
        hostname=hostname,
        size_bytes=parcel.size_bytes,
        content_sha256="",
        source="sent",
    )
    return QueueRecord(envelope=envelope, blob=parcel.blob)


def _reports(tried: Tried) -> Sequence[Report]:
    """What the log does not tell yet; a deferred recipient that is deferred again is no news."""
    parcel = tried.parcel
    if not parcel.is_reported:
        return []
    return [
        report(
            parcel.mailbox_id,
            parcel.submission_id,
            one.recipient,
            status=one.status,
            last_reply=one.reply,
            attempts=parcel.due.attempt,
            next_attempt_at=tried.due_again_at if one.status == "deferred" else None,
            feedback=kind_of(one.reply) if one.status == "bounced" else "",
        )
        for one in tried.outcomes
        if one.status != "deferred" or parcel.statuses[one.recipient] == "queued"
    ]


def _key(parcel: Parcel) -> SubmissionKey:
    return SubmissionKey(parcel.mailbox_id, parcel.submission_id)
