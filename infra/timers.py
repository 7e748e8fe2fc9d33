"""What happens because time passes: snoozes end, owners are told, TRASH and SPAM empty themselves, what was deleted is
forgotten.

Each duty is a function of the time that does what is due, a bounded piece of it, and says how much that was; all are
safe to repeat, in any number of processes at once. `Timers` calls them.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import msgspec
import psycopg

from domain.automatic_mail import STREAMS
from domain.commands import Command
from domain.decisions.deleting import ExpireMessages
from domain.decisions.delivery import mailbox_holder
from domain.decisions.snoozing import EndSnooze
from domain.events import Who
from domain.ids import LabelId, MailboxId, MessageId, new_id
from domain.times import DAY_MS
from gateways.appending import Appender
from gateways.blobs import Blobs
from gateways.delivery.quota_notice import QuotaNotices
from gateways.queue import QueueUnavailableError
from infra import blob_references
from infra.blob_collector import collect
from infra.dead_letters import DeadLetters
from infra.erasing import finish_erasures
from infra.keys import Keys
from infra.owner_notices import tell_owners
from infra.passed_over import PassedOverError
from infra.postgres_queue import Connect
from infra.quarantine import PostgresQuarantine
from infra.relay.records import tidy_records
from infra.relay.sent_trips import expire_sent_trips
from infra.relay.tls_memory import tidy_tls
from infra.store.lane import LaneClosedError
from infra.uploads import expire_uploads
from infra.virus.results import forget_old_results

AT_ONCE = 1000
OUTAGE_PAUSE_S = 5.0
OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    LaneClosedError,
    QueueUnavailableError,
    ConnectionError,
)
PAGES_AT_ONCE = 200
"""How many pages of `AT_ONCE` a duty turns over past mailboxes that refuse."""
_WHO = Who(actor="system", client="timer")
_log = logging.getLogger(__name__)

_SNOOZED = (
    "SELECT m.mailbox_id, m.message_id FROM messages m"
    " JOIN mailboxes b ON b.mailbox_id = m.mailbox_id AND b.generation = m.generation AND NOT b.erased"
    " WHERE m.snoozed_until <= %s AND m.destroyed_seq IS NULL AND m.mailbox_id <> ALL(%s::text[])"
    " ORDER BY m.snoozed_until, m.mailbox_id LIMIT %s"
)
_EXPIRING = (
    "SELECT m.mailbox_id, m.label_id, m.message_id FROM memberships m"
    " JOIN mailboxes b ON b.mailbox_id = m.mailbox_id AND b.generation = m.generation AND NOT b.erased"
    " WHERE m.removed_seq IS NULL AND m.label_id IN ('TRASH', 'SPAM') AND m.added_at < %s"
    " AND m.mailbox_id <> ALL(%s::text[]) ORDER BY m.added_at LIMIT %s"
)
_DUE_TO_FORGET = (
    "SELECT mailbox_id, message_id FROM forgetting WHERE due_at <= %s ORDER BY mailbox_id, message_id LIMIT %s"
    " FOR UPDATE SKIP LOCKED"
)
_ARCHIVED = (
    "UPDATE forgetting f SET due_at = a.until FROM ("
    " SELECT n.mailbox_id, n.origin, max(greatest(s.queued_at, s.send_at)) + %(kept)s AS until"
    " FROM unnest(%(m)s::text[], %(o)s::text[]) AS n(mailbox_id, origin)"
    " JOIN mailboxes b ON b.mailbox_id = n.mailbox_id AND NOT b.erased"
    " CROSS JOIN LATERAL (SELECT n.origin AS message_id UNION SELECT x.message_id FROM messages x"
    " WHERE x.mailbox_id = n.mailbox_id AND x.origin = n.origin AND x.origin <> x.message_id) AS known"
    " JOIN submissions s ON s.mailbox_id = n.mailbox_id AND s.generation = b.generation"
    " AND s.message_id = known.message_id AND s.status <> 'undone' AND s.stream <> ALL (%(automatic)s::text[])"
    " GROUP BY n.mailbox_id, n.origin) AS a"
    " WHERE f.mailbox_id = a.mailbox_id AND f.message_id = a.origin AND a.until > %(now)s"
    " RETURNING f.mailbox_id, f.message_id"
)
_FORGET_SALTS = (
    "DELETE FROM message_salts s USING ("
    " SELECT n.mailbox_id, n.origin AS message_id FROM unnest(%(m)s::text[], %(o)s::text[]) AS n(mailbox_id, origin)"
    " UNION SELECT x.mailbox_id, x.message_id FROM unnest(%(m)s::text[], %(o)s::text[]) AS n(mailbox_id, origin)"
    " JOIN messages x ON x.mailbox_id = n.mailbox_id AND x.origin = n.origin AND x.origin <> x.message_id) AS gone"
    " WHERE s.mailbox_id = gone.mailbox_id AND s.message_id = gone.message_id"
)
_FORGOTTEN = (
    "DELETE FROM forgetting f USING unnest(%(m)s::text[], %(o)s::text[]) AS n(mailbox_id, message_id)"
    " WHERE f.mailbox_id = n.mailbox_id AND f.message_id = n.message_id"
)
_OLD_DELIVERIES = "DELETE FROM recent_deliveries WHERE received_at < %s"
_ORPHANED_EXTRACTS = "DELETE FROM extracts e WHERE NOT EXISTS (SELECT FROM blobs b WHERE b.name = e.blob)"

Row = tuple[Any, ...]
"""A mailbox id first, a message id last."""


class Leases(Protocol):
    """A queue that knows whose leases outlived them."""

    def end_leases_of_the_dead(self) -> int:
        """What they held is due now; how much that was."""


RunDue = Callable[[int], int]
"""Does what is due at a time (unix milliseconds); how much that was."""


class Duty(msgspec.Struct, frozen=True):
    """Something to do every so often; again at once while there was something due.

    One that may take minutes has a thread of its own, so that the others do not wait for it.
    """

    name: str
    every_s: float
    run_due: RunDue
    has_own_thread: bool = False


def end_snoozes(now_ms: int, *, connect: Connect, appender: Appender, at_once: int = AT_ONCE) -> int:
    """Messages whose time has come are back in INBOX."""

    def commands(due: Sequence[Row]) -> Sequence[Command]:
        return [
            EndSnooze(mailbox_id=MailboxId(m), command_id=new_id("c"), who=_WHO, ids=_ids(rows), at_ms=now_ms)
            for m, rows in groupby(due, key=lambda row: row[0])
        ]

    return _append_due(_SNOOZED, now_ms, commands, connect=connect, appender=appender, at_once=at_once)


def empty_bins(now_ms: int, *, connect: Connect, appender: Appender, days: int = 30, at_once: int = AT_ONCE) -> int:
    """What has been in TRASH or SPAM for that many days is deleted for good."""
    before_ms = now_ms - days * DAY_MS

    def commands(due: Sequence[Row]) -> Sequence[Command]:
        return [
            ExpireMessages(
                mailbox_id=MailboxId(mailbox_id),
                command_id=new_id("c"),
                who=_WHO,
                label_id=LabelId(label_id),
                ids=_ids(rows),
                before_ms=before_ms,
            )
            for (mailbox_id, label_id), rows in groupby(due, key=lambda row: (row[0], row[1]))
        ]

    return _append_due(_EXPIRING, before_ms, commands, connect=connect, appender=appender, at_once=at_once)


def forget_messages(now_ms: int, *, connect: Connect, archive_days: int = 0) -> int:
    """The salts of messages deleted for good are destroyed and their blobs let go, in one transaction.

    Those that were sent wait until the archive has kept them for `archive_days`.
    """
    with connect() as connection, connection.transaction():
        due = connection.execute(_DUE_TO_FORGET, (now_ms, AT_ONCE)).fetchall()
        taken = len(due)
        if due and archive_days:
            asked = _columns(due) | {"kept": archive_days * DAY_MS, "automatic": sorted(STREAMS), "now": now_ms}
            kept = set(connection.execute(_ARCHIVED, asked).fetchall())
            due = [one for one in due if one not in kept]
        place = _columns(due)
        if due:
            connection.execute(_FORGET_SALTS, place)
            holders = [mailbox_holder(MailboxId(m), MessageId(origin)) for m, origin in due]
            blob_references.release_many(connection, holders)
            connection.execute(_FORGOTTEN, place)
    return taken


def _columns(rows: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"m": [mailbox_id for mailbox_id, _ in rows], "o": [origin for _, origin in rows]}


def collect_blobs(
    now_ms: int,
    *,
    connect: Connect,
    blobs: Blobs,
    grace_s: float,
    waits_from_before: Callable[[int], bool] | None = None,
) -> int:
    """Objects that nobody holds go, and what was read of them. Never more to do at once.

    `waits_from_before` says, of a queue whose records hold their objects by no row, whether one waits from before a
    time. What waits for less than half the grace is young enough to be left alone; else nothing is collected.
    """
    if waits_from_before is not None and waits_from_before(now_ms - int(grace_s * 500)):
        _log.warning("no object is collected while accepted mail waits for so long")
        return 0
    collect(connect, blobs, grace_s=grace_s, now=datetime.fromtimestamp(now_ms / 1000, UTC))
    with connect() as connection, connection.transaction():
        connection.execute(_ORPHANED_EXTRACTS)
    return 0


def tidy_deliveries(now_ms: int, *, connect: Connect, days: int = 7) -> int:
    """What a sender could repeat is forgotten a day after its window. Never more to do at once."""
    with connect() as connection, connection.transaction():
        connection.execute(_OLD_DELIVERIES, (now_ms - (days + 1) * DAY_MS,))
    return 0


def end_leases_of_the_dead(_now_ms: int, *, leases: Leases) -> int:
    """What killed workers held is due now, for the others. Never more to do at once."""
    leases.end_leases_of_the_dead()
    return 0


def duties(
    *,
    connect: Connect,
    appender: Appender,
    blobs: Blobs,
    keys: Keys,
    letters: DeadLetters,
    notices: QuotaNotices,
    leases: Leases,
    quarantine: PostgresQuarantine,
    trash_days: int = 30,
    repeat_days: int = 7,
    dead_letter_days: int = 4,
    quarantine_days: int = 30,
    blob_grace_hours: int = 24,
    sent_archive_days: int = 30,
    waits_from_before: Callable[[int], bool] | None = None,
    reporting: RunDue | None = None,
    tls_reporting: RunDue | None = None,
) -> list[Duty]:
    """All duties of an installation."""
    grace_s = blob_grace_hours * 3600.0
    reports = [] if reporting is None else [Duty("send DMARC reports", 600, reporting, has_own_thread=True)]
    if tls_reporting is not None:
        reports.append(Duty("send TLS reports", 600, tls_reporting, has_own_thread=True))
    return [
        *reports,
        Duty("end snoozes", 5, partial(end_snoozes, connect=connect, appender=appender)),
        Duty("end leases of the dead", 10, partial(end_leases_of_the_dead, leases=leases)),
        Duty("tell owners", 5, partial(tell_owners, connect=connect, notices=notices)),
        Duty("empty bins", 300, partial(empty_bins, connect=connect, appender=appender, days=trash_days)),
        Duty("forget messages", 300, partial(forget_messages, connect=connect, archive_days=sent_archive_days)),
        Duty("expire sent trips", 600, partial(expire_sent_trips, connect=connect, days=sent_archive_days)),
        Duty("finish erasures", 60, partial(finish_erasures, connect=connect, keys=keys)),
        Duty("expire uploads", 300, partial(expire_uploads, connect=connect)),
        Duty("expire dead letters", 600, partial(letters.expire, days=dead_letter_days)),
        Duty("expire quarantine", 600, partial(quarantine.expire, days=quarantine_days)),
        Duty("forget scan results", 3600, partial(forget_old_results, connect=connect)),
        Duty("tidy deliveries", 3600, partial(tidy_deliveries, connect=connect, days=repeat_days)),
        Duty("tidy relayed records", 3600, partial(tidy_records, connect=connect, days=repeat_days)),
        Duty("tidy what is known of TLS", 3600, partial(tidy_tls, connect=connect)),
        Duty(
            "collect blobs",
            3600,
            partial(
                collect_blobs,
                connect=connect,
                blobs=blobs,
                grace_s=grace_s,
                waits_from_before=waits_from_before,
            ),
            has_own_thread=True,
        ),
    ]


class Timers:
    """Calls duties when they are due, one after another, but for those with a thread of their own.

    `errors` shows what the last call of a duty failed with.
    """

    def __init__(self, duties: Sequence[Duty], *, clock_ms: Callable[[], int] | None = None) -> None:
        self._duties = duties
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._next = {duty.name: 0.0 for duty in duties}
        self.errors: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Call what is due until `stop` is set; an outage is waited out, a duty that fails is tried again."""
        alone = [duty for duty in self._duties if duty.has_own_thread]
        threads = [threading.Thread(target=self._run, args=([duty], stop), name=duty.name) for duty in alone]
        for thread in threads:
            thread.start()
        self._run([duty for duty in self._duties if not duty.has_own_thread], stop)
        for thread in threads:
            thread.join()

    def _run(self, duties: Sequence[Duty], stop: threading.Event) -> None:
        while not stop.is_set():
            for duty in duties:
                if not stop.is_set() and self._next[duty.name] <= time.monotonic():
                    self._call(duty)
            next_s = min((self._next[duty.name] for duty in duties), default=float("inf"))
            stop.wait(min(max(0.0, next_s - time.monotonic()), threading.TIMEOUT_MAX))

    def _call(self, duty: Duty) -> None:
        pause_s = duty.every_s
        try:
            if duty.run_due(self._clock_ms()):
                pause_s = 0.0
            self.errors.pop(duty.name, None)
        except PassedOverError as passed_over:
            if self.errors.get(duty.name) != str(passed_over):
                _log.error("%s: %s", duty.name, passed_over)
            self.errors[duty.name] = str(passed_over)
        except (*OUTAGES, OSError) as outage:
            self.errors[duty.name] = f"outage: {outage}"
            pause_s = min(OUTAGE_PAUSE_S, duty.every_s)
        except Exception as error:  # noqa: BLE001 - on show until the duty succeeds
            self.errors[duty.name] = f"{type(error).__name__}: {error}"
            _log.exception("%s failed; tried again in %s s", duty.name, duty.every_s)
        self._next[duty.name] = time.monotonic() + pause_s


def _ids(rows: Any) -> tuple[MessageId, ...]:
    return tuple(MessageId(row[-1]) for row in rows)


def _append_due(
    query: str,
    until_ms: int,
    commands_of: Callable[[Sequence[Row]], Sequence[Command]],
    *,
    connect: Connect,
    appender: Appender,
    at_once: int,
) -> int:
    """Append for the `at_once` longest due, past those mailboxes that refuse; how many were due.

    Raises: PassedOverError, when all that was due of the others is done; an outage of a server.
    """
    passed_over: dict[str, Exception] = {}
    idle: set[str] = set()
    for _page in range(PAGES_AT_ONCE):
        with connect() as connection:
            place = (until_ms, [*passed_over, *idle], at_once)
            due = sorted(connection.execute(query.encode(), place).fetchall())
        stuck = _append(commands_of(due), appender, passed_over)
        idle |= stuck
        if len(due) < at_once or not (stuck or passed_over):
            break
    if passed_over:
        raise PassedOverError(passed_over)
    return 0 if stuck else len(due)


def _append(commands: Sequence[Command], appender: Appender, passed_over: dict[str, Exception]) -> set[str]:
    """The mailboxes for which nothing was done; why, where it was refused, goes into `passed_over`."""
    stuck: set[str] = set()
    futures = [appender.submit(command) for command in commands]
    for command, future in zip(commands, futures, strict=True):
        error = future.exception()
        if isinstance(error, OUTAGES):
            raise error
        if isinstance(error, Exception):
            passed_over[command.mailbox_id] = error
        if error is not None or future.result().first_seq > future.result().seq:
            stuck.add(command.mailbox_id)
    return stuck
