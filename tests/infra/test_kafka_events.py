"""What was appended goes by Kafka to the views that follow: in order, each once, whatever comes twice or not at all."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain.decisions import CreateLabel
from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.blob_references import touch
from infra.followers import Follower, fan_out, lags, sweep
from infra.kafka import publishing
from infra.kafka.events import (
    CapturedRow,
    EventsView,
    Published,
    SealedLog,
    encoded,
    read_published,
    runs,
)
from infra.kafka.group_follower import RECORDS_AT_ONCE, GroupFollower
from infra.kafka.in_hand import Taken
from infra.kafka.parts import KafkaParts
from infra.kafka.topic_reader import TopicReader
from infra.store.mapper import StoredRow
from infra.store.recorder import MailboxRecorder, datastore
from tests.kafka_servers import fresh_kafka
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.writers import BLOB, delivery

pytestmark = pytest.mark.servers
PATIENCE_S = 30.0


class Counting:
    """A view that keeps the seqs of each mailbox, as rows in the same transaction."""

    name = "counting"

    def __init__(self) -> None:
        self.fails_on: set[MailboxId] = set()

    def reached(self, _mailbox_id: MailboxId, applied_seq: int) -> int:
        return applied_seq

    def apply(self, connection: Any, mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        if mailbox_id in self.fails_on:
            raise ValueError("cannot be applied")
        rows = [(mailbox_id, event.seq, event.redacted) for event in events]
        connection.cursor().executemany("INSERT INTO counted VALUES (%s, %s, %s)", rows)
        return events[-1].seq

    def settle(self) -> None:
        pass


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        touch(connection, {BLOB: 1})
        connection.execute("CREATE TABLE counted (mailbox_id text, seq bigint, redacted boolean)")
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def connection(given: GivenMailboxes) -> Iterator[psycopg.Connection]:
    with psycopg.connect(given.url, autocommit=True) as own:
        yield own


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaParts]:
    with fresh_kafka() as parts:
        yield parts


@pytest.fixture
def house(given: GivenMailboxes, kafka: KafkaParts, connection: psycopg.Connection) -> Iterator["House"]:
    with ConnectionPool(given.url, max_size=4, kwargs={"autocommit": True}) as pool:
        made = House(given, kafka, connection, pool)
        yield made
        for follower in made.followers:
            follower.close()


class House:
    """What publishes, and what follows."""

    def __init__(self, given: GivenMailboxes, kafka: KafkaParts, connection: Any, pool: ConnectionPool[Any]) -> None:
        self.given, self.kafka, self.connection, self.pool = given, kafka, connection, pool
        self.view = Counting()
        self.group = given.url.rpartition("/")[2]
        self.followers: list[GroupFollower] = []
        self.log = SealedLog(MailboxRecorder(datastore(given.url)))
        self.publisher = Follower(given.url, self.log, EventsView(kafka.publisher, kafka.topics.events))

    def follower(self) -> GroupFollower:
        """The first of its group; others join once those before them give partitions up."""
        member = self.kafka.following(self.group)
        assert self.followers or member.join(threading.Event(), patience_s=PATIENCE_S)
        made = GroupFollower(self.given.url, TopicReader(self.pool.connection, self.given.reader), self.view, member)
        self.followers.append(made)
        return made

    def open(self, count: int) -> list[MailboxId]:
        return sorted(self.given.open(f"a{n}@example.test") for n in range(count))

    def fill(self, mailbox_id: MailboxId, labels: int, start: int = 0) -> None:
        made = [
            CreateLabel(mailbox_id=mailbox_id, command_id=f"c{n}", path=f"l{n}") for n in range(start, start + labels)
        ]
        for future in [self.given.lane.submit(command) for command in made]:
            future.result(20)

    def publish(self) -> None:
        fan_out(self.connection, ["events"])
        while self.publisher.step(self.connection):
            continue

    def follow(self, follower: GroupFollower, wanted: dict[MailboxId, int]) -> None:
        """Until the view has that many events of each mailbox."""
        while any(len(self.counted()[mailbox_id]) < count for mailbox_id, count in wanted.items()):
            follower.step(self.connection)

    def counted(self) -> dict[MailboxId, list[int]]:
        """The seqs of each mailbox, in the order in which they were applied."""
        found: dict[MailboxId, list[int]] = defaultdict(list)
        for mailbox_id, seq in self.connection.execute("SELECT mailbox_id, seq FROM counted ORDER BY ctid").fetchall():
            found[mailbox_id].append(seq)
        return found


def test_what_is_appended_is_applied_in_order_and_each_once(house: House) -> None:
    first, second = house.open(2)
    follower = house.follower()
    house.fill(first, 7)
    house.publish()
    house.fill(second, 3)
    house.fill(first, 2, start=7)
    house.publish()
    house.follow(follower, {first: 10, second: 4})
    assert house.counted() == {first: list(range(1, 11)), second: [1, 2, 3, 4]}
    assert lags(house.connection) == {"events": (0, 0), "counting": (0, 0)}


def test_records_that_come_twice_and_late_are_dropped(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.fill(mailbox_id, 5)
    house.publish()
    house.connection.execute("UPDATE followers SET applied_seq = 2 WHERE view = 'events'")
    fan_out(house.connection, ["events"])
    sweep(house.connection, "events", now_ms=0)
    house.publish()
    house.follow(follower, {mailbox_id: 6})
    house.fill(mailbox_id, 1, start=5)
    house.publish()
    house.follow(follower, {mailbox_id: 7})
    assert house.counted() == {mailbox_id: list(range(1, 8))}


def test_a_hole_is_filled_from_the_log(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.fill(mailbox_id, 5)
    house.connection.execute("DELETE FROM wake")
    house.connection.execute("INSERT INTO followers VALUES ('events', %s, 4)", (mailbox_id,))
    house.connection.execute("INSERT INTO follower_wakes VALUES ('events', %s, 6)", (mailbox_id,))
    house.publish()
    house.follow(follower, {mailbox_id: 6})
    assert house.counted() == {mailbox_id: [1, 2, 3, 4, 5, 6]}


def test_records_that_cannot_be_read_or_opened_stop_nobody(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.fill(mailbox_id, 3)
    rows = MailboxRecorder(datastore(house.given.url)).rows_after(mailbox_id, 0, limit=10)
    forged = [StoredRow(row.mailbox_id, row.seq, row.topic, row.state[:-1] + b"x", 1, "", b"") for row in rows]
    poison = [b"", b"\xc1", encoded(Published(MailboxId("m\0"), 1, ())), encoded(Published(MailboxId("m-none"), 1, ()))]
    poison += [encoded(one) for one in runs(mailbox_id, forged)]
    house.kafka.publisher.publish(house.kafka.topics.events, [(mailbox_id, value) for value in poison])
    house.publish()
    house.follow(follower, {mailbox_id: 4})
    assert house.counted()[mailbox_id] == [1, 2, 3, 4]
    assert house.connection.execute("SELECT bool_or(redacted) FROM counted").fetchone() == (False,)


def test_a_mailbox_that_parks_keeps_nobody_waiting_and_is_tried_again(house: House) -> None:
    bad, good = house.open(2)
    follower = house.follower()
    house.view.fails_on = {bad}
    house.publish()
    house.follow(follower, {good: 1})
    assert lags(house.connection)["counting"] == (1, 1)
    house.view.fails_on = set()
    assert sweep(house.connection, "counting", now_ms=2**62) == 1
    house.follow(follower, {bad: 1})
    assert house.counted() == {bad: [1], good: [1]}


def test_whose_cursor_somebody_holds_is_left_a_wake_up(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.connection.execute("INSERT INTO followers VALUES ('counting', %s)", (mailbox_id,))
    house.publish()
    with psycopg.connect(house.given.url) as other:
        other.execute("SELECT FROM followers WHERE view = 'counting' FOR NO KEY UPDATE")
        query = "SELECT count(*) FROM follower_wakes WHERE view = 'counting'"
        while house.connection.execute(query).fetchone() == (0,):
            follower.step(house.connection)
    house.follow(follower, {mailbox_id: 1})


def test_a_step_that_fails_is_done_again_with_what_came(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.publish()
    settle, failed = house.view.settle, []

    def fail_once() -> None:
        if not failed:
            failed.append(1)
            raise ConnectionError("away")
        settle()

    monkeypatch.setattr(house.view, "settle", fail_once)
    with pytest.raises(ConnectionError, match="away"):
        house.follow(follower, {mailbox_id: 1})
    house.follow(follower, {mailbox_id: 1})
    assert house.counted() == {mailbox_id: [1]}


def test_what_is_published_says_nothing_without_the_keys_and_carries_no_salts(house: House) -> None:
    (mailbox_id,) = house.open(1)
    house.given.lane.run(delivery(mailbox_id, "d1"))
    rows = MailboxRecorder(datastore(house.given.url)).rows_after(mailbox_id, 0, limit=10)
    values = b"".join(encoded(one) for one in runs(mailbox_id, rows))
    salts = [row.salt for row in rows if row.salt]
    assert salts
    assert not [salt for salt in salts if salt in values]
    for plain in (b"example.test", b"subject", b"INBOX"):
        assert plain not in values


def test_of_a_message_whose_salt_was_destroyed_the_record_gives_what_the_log_gives(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.given.lane.run(delivery(mailbox_id, "d1"))
    house.publish()
    house.connection.execute("DELETE FROM message_salts")
    house.follow(follower, {mailbox_id: 2})
    assert house.connection.execute("SELECT redacted FROM counted ORDER BY seq").fetchall() == [(False,), (True,)]


def test_an_installation_that_comes_to_kafka_publishes_from_its_heads_on(house: House) -> None:
    (mailbox_id,) = house.open(1)
    house.fill(mailbox_id, 3)
    assert publishing.begin_at_heads(house.connection) == 1
    later = house.given.open("later@example.test")
    assert publishing.begin_at_heads(house.connection) == 0
    cursors = dict(house.connection.execute("SELECT mailbox_id, applied_seq FROM followers WHERE view = 'events'"))
    assert cursors == {mailbox_id: 4}
    house.publish()
    cursors = dict(house.connection.execute("SELECT mailbox_id, applied_seq FROM followers WHERE view = 'events'"))
    assert cursors == {mailbox_id: 4, later: 1}
    publishing.forget(house.connection)
    assert "events" not in lags(house.connection)


def row(seq: int, size: int) -> StoredRow:
    return StoredRow(MailboxId("m1"), seq, "T", b"x" * size, 1, "k", b"h")


def test_rows_go_into_records_of_bounded_size_and_what_is_too_large_is_only_named() -> None:
    rows = [row(1, 600), row(2, 600), row(3, 9_000), row(4, 600), row(5, 600), row(6, 600)]
    made = runs(MailboxId("m1"), rows, most_bytes=2_000)
    assert [(one.head, [row.seq for row in one.rows]) for one in made] == [(2, [1, 2]), (3, []), (5, [4, 5]), (6, [6])]
    assert all(len(encoded(one)) <= 2_000 for one in made)
    assert [read_published(Taken(0, 0, None, encoded(one))) for one in made] == made


def test_rows_that_change_data_capture_published_are_applied_as_ours_are(house: House) -> None:
    (mailbox_id,) = house.open(1)
    follower = house.follower()
    house.fill(mailbox_id, 3)
    rows = MailboxRecorder(datastore(house.given.url)).rows_after(mailbox_id, 0, limit=10)
    captured = [
        CapturedRow(row.mailbox_id, row.seq, row.topic, row.state, row.recorded_at, row.key_id, row.hash)
        for row in rows
    ]
    values = [(mailbox_id, msgspec.json.encode(row)) for row in captured]
    house.kafka.publisher.publish(house.kafka.topics.events, values)
    house.follow(follower, {mailbox_id: 4})
    house.publish()
    house.fill(mailbox_id, 1, start=3)
    house.publish()
    house.follow(follower, {mailbox_id: 5})
    assert house.counted() == {mailbox_id: [1, 2, 3, 4, 5]}


def test_two_followers_of_one_group_finish_a_backlog_with_each_event_once_and_in_order(house: House) -> None:
    mailboxes = house.open(40)
    for mailbox_id in mailboxes:
        house.fill(mailbox_id, 5)
    house.publish()
    followers, stop = [house.follower(), house.follower()], threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,), kwargs={"gather_s": 0}) for one in followers]
    for thread in threads:
        thread.start()
    for round_ in range(1, 4):
        for mailbox_id in mailboxes:
            house.fill(mailbox_id, 2, start=3 + 2 * round_)
        house.publish()
    while sum(len(seqs) for seqs in house.counted().values()) < 40 * 12:
        assert not stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert house.counted() == {mailbox_id: list(range(1, 13)) for mailbox_id in mailboxes}


def test_a_backlog_of_more_records_than_one_step_takes_is_followed_without_a_pause(house: House) -> None:
    (mailbox_id,) = house.open(1)
    house.fill(mailbox_id, 2 * RECORDS_AT_ONCE)
    rows = house.log.batch(mailbox_id, 0, limit=1_000)
    records = [(mailbox_id, encoded(one)) for row in rows for one in runs(mailbox_id, [row])]
    house.kafka.publisher.publish(house.kafka.topics.events, records)
    follower, stop = house.follower(), threading.Event()
    pauses_for_ever = {"gather_s": 3600}
    thread = threading.Thread(target=follower.run, args=(stop,), kwargs=pauses_for_ever)
    thread.start()
    while len(house.counted()[mailbox_id]) < len(rows):
        assert not stop.wait(0.05)
    stop.set()
    thread.join(30)
    assert house.counted() == {mailbox_id: [row.seq for row in rows]}
