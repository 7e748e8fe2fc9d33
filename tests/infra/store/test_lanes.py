"""Lanes side by side, on broken connections and against meddlers: nothing doubled, nothing lost, no gap."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from domain.commands import Outcome
from domain.decisions import OpenMailbox, RecordPasswordChange
from domain.ids import MailboxId
from infra.blob_references import touch
from infra.durability import check_durability
from infra.store.lane import CommandReusedError, Lane, LaneClosedError
from infra.store.recorder import NoGlobalOrderError
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import assert_chain_is_intact
from tests.system.writers import BLOB, Writer, delivery, reading


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        touch(connection, {BLOB: 1})
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def other_lane(given: GivenMailboxes) -> Iterator[Lane]:
    lane = Lane(given.url, given.keys)
    yield lane
    lane.close()


def told(outcome: Outcome) -> tuple[int, int, dict]:
    return outcome.first_seq, outcome.seq, outcome.answer


def password_change(mailbox_id: MailboxId, command_id: str, by: str = "owner") -> RecordPasswordChange:
    return RecordPasswordChange(mailbox_id=mailbox_id, command_id=command_id, by=by)


def test_the_database_that_lanes_write_to_is_durable(given: GivenMailboxes) -> None:
    with psycopg.connect(given.url) as connection:
        check_durability(connection)


def test_a_command_id_seen_before_gives_its_first_outcome_through_any_lane(
    given: GivenMailboxes, other_lane: Lane
) -> None:
    mailbox_id = given.open()
    command = delivery(mailbox_id, "d1")
    first = given.lane.run(command)
    given.lane.run(password_change(mailbox_id, "p1"))
    assert not first.repeated
    for lane in (given.lane, other_lane):
        again = lane.run(command)
        assert again.repeated
        assert told(again) == told(first)
    assert assert_chain_is_intact(given, mailbox_id) == 3


def test_a_command_that_changed_nothing_changes_nothing_when_it_is_repeated_later(given: GivenMailboxes) -> None:
    mailbox_id = given.open()
    message_id = given.lane.run(delivery(mailbox_id, "d1")).answer["id"]
    given.lane.run(reading(mailbox_id, "r1", message_id))
    nothing = given.lane.run(reading(mailbox_id, "r2", message_id))
    unread = reading(mailbox_id, "u", message_id)
    given.lane.run(type(unread)(mailbox_id=mailbox_id, command_id="u", ids=(message_id,), remove_keywords=("$seen",)))
    again = given.lane.run(reading(mailbox_id, "r2", message_id))
    assert again.repeated
    assert told(again) == told(nothing)
    assert "$seen" not in given.fold(mailbox_id).messages()[0]["keywords"]


def test_another_process_gets_the_first_outcome_too(given: GivenMailboxes, tmp_path: Path) -> None:
    mailbox_id = given.open()
    first, second = (Writer(given.url, tmp_path, [mailbox_id], name="w", commands=5) for _ in range(2))
    first.threads = second.threads = 1
    first.start()
    first.process.join(30)
    outcomes = first.outcomes()
    second.acknowledged = tmp_path / "again.acknowledged"
    second.start()
    second.process.join(30)
    assert len(outcomes) == 7
    assert second.outcomes() == outcomes
    assert assert_chain_is_intact(given, mailbox_id) == 8


def test_the_same_id_with_another_command_is_refused(given: GivenMailboxes, other_lane: Lane) -> None:
    mailbox_id = given.open()
    given.lane.run(password_change(mailbox_id, "p1"))
    for lane in (given.lane, other_lane):
        with pytest.raises(CommandReusedError):
            lane.run(password_change(mailbox_id, "p1", by="operator"))
    assert given.lane.run(password_change(given.open("b@example.test"), "p1", by="operator")).seq == 2


def test_a_lane_that_is_closed_finishes_what_waits_and_takes_no_more(given: GivenMailboxes, other_lane: Lane) -> None:
    mailbox_id = given.open()
    futures = [other_lane.submit(delivery(mailbox_id, f"d{n}")) for n in range(50)]
    other_lane.close()
    assert sorted(future.result(0).seq for future in futures) == list(range(2, 52))
    with pytest.raises(LaneClosedError):
        other_lane.submit(delivery(mailbox_id, "late"))


def test_sixteen_processes_on_one_mailbox_leave_no_gap(given: GivenMailboxes, tmp_path: Path) -> None:
    mailbox_id = given.open()
    writers = [Writer(given.url, tmp_path, [mailbox_id], name=f"w{n}", commands=12) for n in range(16)]
    for writer in writers:
        writer.threads = 2
        writer.start()
    for writer in writers:
        writer.process.join(60)
    assert [writer.process.exitcode for writer in writers] == [0] * 16
    outcomes = [outcome for writer in writers for outcome in writer.outcomes().values()]
    assert len(outcomes) == 16 * (12 + 4)
    seqs = sorted(seq for _, first, last in outcomes for seq in range(first, last + 1))
    assert seqs == list(range(2, assert_chain_is_intact(given, mailbox_id) + 1))
    assert given.differences(mailbox_id) == []


def test_two_lanes_on_three_hundred_hot_mailboxes_never_deadlock(given: GivenMailboxes, other_lane: Lane) -> None:
    mailboxes = [MailboxId(f"m{n:04d}") for n in range(300)]
    with psycopg.connect(given.url) as connection:
        connection.cursor().executemany("INSERT INTO mailboxes (mailbox_id) VALUES (%s)", [(m,) for m in mailboxes])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(given.keys.create, mailboxes))
    opened = [given.lane.submit(_opening(mailbox_id)) for mailbox_id in mailboxes]
    assert {future.result(30).seq for future in opened} == {1}
    chance, futures = random.Random(1), []
    for wave in range(4):
        for name, lane in (("a", given.lane), ("b", other_lane)):
            chance.shuffle(mailboxes)
            futures += [lane.submit(password_change(mailbox_id, f"{name}{wave}")) for mailbox_id in mailboxes]
    for future in futures:
        future.result(60)
    with psycopg.connect(given.url) as connection:
        assert connection.execute("SELECT DISTINCT head FROM mailboxes").fetchall() == [(9,)]
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.execute(query).fetchone() == (0,)


def _opening(mailbox_id: MailboxId) -> OpenMailbox:
    return OpenMailbox(mailbox_id=mailbox_id, command_id="open", address="", display_name="", quota_bytes=10**9)


def test_a_connection_lost_at_any_moment_doubles_and_loses_nothing(given: GivenMailboxes) -> None:
    mailboxes = [given.open(f"a{n}@example.test") for n in range(3)]
    done = threading.Event()
    outcomes: dict[str, Outcome] = {}

    def write(name: str) -> None:
        number, last = 0, ""
        while not done.is_set():
            number += 1
            command_id = f"{name}-{number}"
            outcomes[command_id] = given.lane.run(delivery(mailboxes[number % 3], command_id, last))
            last = command_id

    chance, cut = random.Random(5), 0
    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, f"t{n}") for n in range(6)]
        with psycopg.connect(given.url, autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ %s AND pid <> %s"
            seen = 0
            while cut < 15:
                pattern = chance.choice(("append_commit", "write_rows", "mailboxes", "COMMIT", "."))
                hit = connection.execute(
                    f"{query} AND datname = current_database() AND state <> 'idle'",
                    (pattern, connection.info.backend_pid),
                ).rowcount
                cut += hit
                seen = len(outcomes) if hit else seen
                done.wait(chance.random() * 0.02)
                while len(outcomes) < seen + 5 and not any(writer.done() for writer in writers):
                    done.wait(0.005)  # a lane's patience is for one outage, not for a dozen in a row
        done.set()
        for writer in writers:
            writer.result(60)
    events = [row for mailbox_id in mailboxes for row in given.reader.recorded(mailbox_id)]
    delivered = [event.who.command_id for event in events if event.topic == "MessageDelivered"]
    assert sorted(delivered) == sorted(outcomes)
    for mailbox_id in mailboxes:
        assert_chain_is_intact(given, mailbox_id)
        assert given.differences(mailbox_id) == []


def test_a_head_moved_behind_the_locks_back_is_refused(given: GivenMailboxes) -> None:
    mailbox_id = given.open()
    with psycopg.connect(given.url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE mailboxes SET head = head + 1; RETURN NULL; END $$"
        )
        connection.execute("CREATE TRIGGER meddles AFTER INSERT ON stored_events EXECUTE FUNCTION meddle()")
        with pytest.raises(psycopg.DatabaseError) as caught:
            given.lane.run(delivery(mailbox_id, "d1"))
        assert caught.value.sqlstate == "LM001"
        connection.execute("DROP TRIGGER meddles ON stored_events")
    assert given.lane.run(delivery(mailbox_id, "d1")).seq == 2
    assert assert_chain_is_intact(given, mailbox_id) == 2
    assert given.differences(mailbox_id) == []


def test_an_event_smuggled_in_after_the_head_is_never_built_upon(given: GivenMailboxes) -> None:
    mailbox_id = given.open()
    with psycopg.connect(given.url, autocommit=True) as connection:
        copied = "originator_id, originator_version + 1, topic, state, recorded_at, key_id, hash"
        connection.execute(f"INSERT INTO stored_events SELECT {copied} FROM stored_events")
        with pytest.raises(psycopg.errors.UniqueViolation):
            given.lane.run(delivery(mailbox_id, "d1"))
        assert given.reader.page(mailbox_id, 0, limit=10).next == 1
        connection.execute("DELETE FROM stored_events WHERE originator_version = 2")
    assert given.lane.run(delivery(mailbox_id, "d1")).seq == assert_chain_is_intact(given, mailbox_id)


def test_the_librarys_ways_around_the_lane_are_closed(given: GivenMailboxes) -> None:
    mailbox_id = given.open()
    event = StoredEvent(originator_id=mailbox_id, originator_version=2, topic="x", state=b"")
    with pytest.raises(IntegrityError):
        given.recorder.insert_events([event])
    for ask in (lambda: given.recorder.select_notifications(1, 10), given.recorder.max_notification_id):
        with pytest.raises(NoGlobalOrderError):
            ask()
    assert [row.topic for row in given.recorder.select_events(mailbox_id)] == ["MailboxOpened"]
