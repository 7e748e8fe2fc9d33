"""What happens because time passes."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decisions import DeleteMessages, Modify, Snooze
from domain.ids import MailboxId, MessageId
from domain.times import DAY_MS
from gateways.delivery.quota_notice import QuotaNotices
from gateways.queue import QueueUnavailableError
from infra.dead_letters import DeadLetters
from infra.passed_over import PassedOverError
from infra.quarantine import PostgresQuarantine
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.timers import (
    Duty,
    Timers,
    collect_blobs,
    duties,
    empty_bins,
    end_snoozes,
    forget_messages,
    tidy_deliveries,
)
from tests.contracts.queue import Clock
from tests.delivery_outages import Keyless
from tests.post_office import MAIL, PostOffice, post_office

ANN = MailboxId("m1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(database_url: str, data_folder: Path, clock: Clock) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder, clock_ms=clock) as made:
        made.open_mailbox("m1", "ann@example.test")
        yield made


def deliver(office: PostOffice, *numbers: int) -> list[MessageId]:
    for number in numbers:
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    office.worker().run_due()
    return [MessageId(message["id"]) for message in office.inbox("m1")]


def delete_for_good(office: PostOffice, ids: list[MessageId]) -> None:
    for step in ("trash", "gone"):
        office.lane.run(DeleteMessages(mailbox_id=ANN, command_id=step, ids=tuple(ids)))


def test_a_snooze_ends_when_its_time_has_come(office: PostOffice, clock: Clock) -> None:
    first, second = deliver(office, 1, 2)
    until = clock() + 60_000
    office.lane.run(Snooze(mailbox_id=ANN, command_id="s", ids=(first,), until_ms=until))
    assert end_snoozes(until - 1, connect=office.pool.connection, appender=office.lane) == 0
    assert [m["id"] for m in office.inbox("m1")] == [second]
    clock.advance(60)
    assert end_snoozes(until, connect=office.pool.connection, appender=office.lane) == 1
    assert {m["id"] for m in office.inbox("m1")} == {first, second}
    assert end_snoozes(until, connect=office.pool.connection, appender=office.lane) == 0


def deliver_to_bob(office: PostOffice) -> MessageId:
    bob = office.open_mailbox("m2", "bob@example.test")
    office.accept(MAIL % b"bob", "bob@example.test")
    office.worker().run_due()
    (message,) = office.inbox(bob)
    return MessageId(message["id"])


def test_snoozes_of_a_mailbox_that_refuses_stand_in_nobodys_way(office: PostOffice, clock: Clock) -> None:
    refused, ended, until = deliver(office, 1, 2, 3), deliver_to_bob(office), clock() + 60_000
    office.lane.run(Snooze(mailbox_id=ANN, command_id="s", ids=tuple(refused), until_ms=until))
    office.lane.run(Snooze(mailbox_id=MailboxId("m2"), command_id="s", ids=(ended,), until_ms=until + 1))
    office.keys.destroy("m1")
    clock.advance(61)
    with pytest.raises(PassedOverError, match=r"m1: "):
        end_snoozes(clock(), connect=office.pool.connection, appender=office.lane, at_once=2)
    assert [m["id"] for m in office.inbox("m2")] == [ended]


def test_bins_of_a_mailbox_whose_key_is_missing_stand_in_nobodys_way(office: PostOffice, clock: Clock) -> None:
    for number, message in enumerate(deliver(office, 1, 2, 3)):
        office.lane.run(DeleteMessages(mailbox_id=ANN, command_id=f"d{number}", ids=(message,)))
    gone = deliver_to_bob(office)
    clock.advance(1)
    office.lane.run(DeleteMessages(mailbox_id=MailboxId("m2"), command_id="d", ids=(gone,)))
    clock.advance(30 * 86_400 + 1)
    keyless = Keyless(office.lane, "m1")
    with pytest.raises(PassedOverError, match=r"m1: .*the key of mailbox m1"):
        empty_bins(clock(), connect=office.pool.connection, appender=keyless, at_once=2)
    assert office.rows("SELECT message_id FROM messages WHERE mailbox_id = 'm2' AND destroyed_seq IS NULL") == []
    keyless.missing = False
    assert empty_bins(clock(), connect=office.pool.connection, appender=keyless, at_once=2) == 2


def test_trash_is_emptied_after_thirty_days(office: PostOffice, clock: Clock) -> None:
    first, second = deliver(office, 1, 2)
    office.lane.run(DeleteMessages(mailbox_id=ANN, command_id="d", ids=(first,)))
    days = 30 * DAY_MS
    assert empty_bins(clock() + days, connect=office.pool.connection, appender=office.lane) == 0
    clock.advance(30 * 86_400 + 1)
    assert empty_bins(clock(), connect=office.pool.connection, appender=office.lane) == 1
    live = office.rows("SELECT message_id FROM messages WHERE destroyed_seq IS NULL")
    assert live == [(second,)]


def test_spam_that_another_label_holds_only_leaves_spam(office: PostOffice, clock: Clock) -> None:
    (message,) = deliver(office, 1)
    office.lane.run(
        Modify(mailbox_id=ANN, command_id="m", ids=(message,), add_labels=("SPAM", "ARCHIVE"), remove_labels=("INBOX",))
    )
    clock.advance(31 * 86_400)
    assert empty_bins(clock(), connect=office.pool.connection, appender=office.lane) == 1
    assert office.rows("SELECT labels FROM messages WHERE destroyed_seq IS NULL") == [(["ARCHIVE"],)]


def test_what_was_deleted_for_good_is_forgotten_after_the_retention(office: PostOffice, clock: Clock) -> None:
    kept, gone = deliver(office, 1, 2)
    delete_for_good(office, [gone])
    connect = office.pool.connection
    assert forget_messages(clock() + 30 * DAY_MS - 1, connect=connect) == 0
    assert forget_messages(clock() + 30 * DAY_MS, connect=connect) == 1
    assert forget_messages(clock() + 30 * DAY_MS, connect=connect) == 0
    assert office.rows("SELECT message_id FROM message_salts WHERE message_id = ANY(%s)", [kept, gone]) == [(kept,)]
    assert office.rows("SELECT holder FROM blob_references") == [(f"mailbox:m1:{kept}",)]
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    redacted = {r.event.id: r.redacted for r in reader.recorded(ANN) if r.topic == "MessageDelivered"}
    assert redacted == {kept: False, gone: True}


def test_a_forgotten_message_takes_its_object_and_its_extract_along(office: PostOffice, clock: Clock) -> None:
    kept, gone = deliver(office, 1, 2)
    delete_for_good(office, [gone])
    later = max(clock(), time.time_ns() // 1_000_000) + 40 * DAY_MS
    forget_messages(later, connect=office.pool.connection)
    collect_blobs(later, connect=office.pool.connection, blobs=office.blobs, grace_s=86_400)
    ((blob,),) = office.rows("SELECT blob FROM messages WHERE message_id = %s", kept)
    assert list(office.blobs.names("")) == [blob]
    assert office.rows("SELECT blob FROM extracts") == [(blob,)]


def test_what_a_sender_could_repeat_is_kept_for_the_window(office: PostOffice, clock: Clock) -> None:
    deliver(office, 1)
    tidy_deliveries(clock() + 8 * DAY_MS, connect=office.pool.connection)
    assert office.rows("SELECT count(*) FROM recent_deliveries") == [(1,)]
    tidy_deliveries(clock() + 8 * DAY_MS + 1, connect=office.pool.connection)
    assert office.rows("SELECT count(*) FROM recent_deliveries") == [(0,)]


def all_duties(office: PostOffice, clock: Clock) -> list[Duty]:
    connect = office.pool.connection
    parts: dict[str, Any] = {"queue": office.queue, "blobs": office.blobs, "hostname": "mx.example.test"}
    letters, notices = DeadLetters(connect, **parts, clock_ms=clock), QuotaNotices(**parts)
    return duties(
        connect=connect,
        appender=office.lane,
        blobs=office.blobs,
        keys=office.keys,
        letters=letters,
        notices=notices,
        leases=office.queue,
        quarantine=PostgresQuarantine(office.pool.connection, clock_ms=clock),
    )


def test_all_duties_can_be_called_with_nothing_to_do(office: PostOffice, clock: Clock) -> None:
    made = all_duties(office, clock)
    assert [duty.run_due(clock()) for duty in made] == [0] * len(made)


def test_the_loop_goes_on_after_failures_and_outages_and_shows_them() -> None:
    stop = threading.Event()
    called: list[str] = []

    def failing(_now: int) -> int:
        called.append("failing")
        raise ValueError("broken")

    def down(_now: int) -> int:
        called.append("down")
        raise psycopg.OperationalError("no server")

    def queueless(_now: int) -> int:
        raise QueueUnavailableError("no queue")

    def last(_now: int) -> int:
        called.append("last")
        if min(called.count("failing"), called.count("down")) > 2:
            stop.set()
        return 1

    timers = Timers(
        [
            Duty("failing", 0.01, failing),
            Duty("down", 0.01, down),
            Duty("queueless", 0.01, queueless),
            Duty("last", 0.01, last),
        ]
    )
    running = threading.Thread(target=timers.run, args=(stop,))
    running.start()
    running.join(20)
    assert not running.is_alive()
    shown: dict[str, Any] = timers.errors
    assert shown == {"failing": "ValueError: broken", "down": "outage: no server", "queueless": "outage: no queue"}


def test_a_duty_that_takes_its_time_holds_up_no_other() -> None:
    stop, others_ran = threading.Event(), threading.Event()
    seen: list[bool] = []

    def slow(_now: int) -> int:
        seen.append(others_ran.wait(20))
        stop.set()
        return 0

    def quick(_now: int) -> int:
        if len(calls) > 2:
            others_ran.set()
        calls.append("quick")
        return 0

    calls: list[str] = []
    timers = Timers([Duty("slow", 60, slow, has_own_thread=True), Duty("quick", 0.01, quick)])
    running = threading.Thread(target=timers.run, args=(stop,))
    running.start()
    running.join(20)
    assert not running.is_alive()
    assert seen == [True]


def test_objects_are_collected_in_a_thread_of_their_own(office: PostOffice, clock: Clock) -> None:
    made = all_duties(office, clock)
    assert [duty.name for duty in made if duty.has_own_thread] == ["collect blobs"]


def test_what_is_passed_over_is_shown_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, rounds = threading.Event(), 0

    def refusing(_now: int) -> int:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            stop.set()
        raise PassedOverError({"m1": ValueError("no key")})

    timers = Timers([Duty("refusing", 0.01, refusing)])
    timers.run(stop)
    assert rounds == 3
    assert timers.errors == {"refusing": "passed over m1: ValueError: no key"}
    assert caplog.text.count("passed over m1") == 1
