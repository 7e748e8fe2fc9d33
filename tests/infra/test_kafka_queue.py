"""The queue on Kafka: the port's promises, and what only a log of records can get wrong."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec
from psycopg_pool import ConnectionPool

from gateways.queue import QueueRecord
from infra.dead_letters import DeadLetters
from infra.file_blobs import FileBlobs
from infra.kafka.incoming import KafkaQueue
from infra.kafka.member import GroupMember
from infra.kafka.parts import DELIVERY, KafkaParts
from infra.kafka.publisher import MAX_RECORD_BYTES
from infra.postgres_queue import encoded
from infra.timers import collect_blobs
from tests.contracts.queue import LEASE_S, Clock, QueueContract, leased, record
from tests.kafka_servers import fresh_kafka

pytestmark = pytest.mark.servers
PATIENCE_S = 30.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(module_database_url: str) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(module_database_url, max_size=20, kwargs={"autocommit": True}) as made:
        with made.connection() as connection:
            tables = "queue_records, queue_failures, dead_letters, blob_references, blobs, incoming_taken"
            connection.execute(f"TRUNCATE {tables}")
        yield made


@pytest.fixture
def kafka() -> Iterator[KafkaParts]:
    with fresh_kafka() as parts:
        yield parts


@pytest.fixture
def processes(kafka: KafkaParts, pool: ConnectionPool[Any], clock: Clock) -> Iterator["Processes"]:
    made = Processes(kafka, pool, clock)
    yield made
    made.end()


@pytest.fixture
def queue(processes: "Processes") -> KafkaQueue:
    return processes.start()


class Processes:
    """Queues as processes have them, each a member of the group."""

    def __init__(self, kafka: KafkaParts, pool: ConnectionPool[Any], clock: Clock) -> None:
        self._kafka, self._pool, self._clock = kafka, pool, clock
        self._members: list[GroupMember] = []

    def start(self) -> KafkaQueue:
        topics = self._kafka.topics
        member = GroupMember(self._kafka.cluster, topics.incoming, topics.group(DELIVERY))
        assert member.join(threading.Event(), patience_s=PATIENCE_S)
        self._members.append(member)
        return KafkaQueue(
            topic=topics.incoming,
            publisher=self._kafka.publisher,
            member=member,
            connect=self._pool.connection,
            clock_ms=self._clock,
        )

    def kill(self) -> None:
        """The first one leaves without having committed anything more."""
        consumer = self._members.pop(0)._consumer
        consumer.close(autocommit=False, timeout_ms=3_000)

    def end(self) -> None:
        for member in self._members:
            member.close()


class TestKafkaQueue(QueueContract):
    pass


def count(pool: ConnectionPool[Any], query: str) -> int:
    with pool.connection() as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def lease_all(queue: KafkaQueue, wanted: int) -> list[QueueRecord]:
    """As many as that, however late the group hands the partitions over."""
    found: list[QueueRecord] = []
    while len(found) < wanted:
        found += [one.record for one in leased(queue)]
    return found


def test_what_is_in_hand_counts_as_waiting_until_it_is_settled(queue: KafkaQueue, kafka: KafkaParts) -> None:
    given = [record() for _ in range(4)]
    queue.put_all(given)
    held = leased(queue)
    assert kafka.backlog.records() == 4
    queue.done([(one.record.acceptance_id, [0]) for one in held])
    assert kafka.backlog.records() == 0


def test_nothing_is_committed_past_a_record_that_is_in_hand(queue: KafkaQueue, kafka: KafkaParts) -> None:
    given = [record() for _ in range(5)]
    queue.put_all(given)
    held = leased(queue)
    queue.done([(one.record.acceptance_id, [0]) for one in held[1:]])
    assert kafka.backlog.records() == 5
    queue.done([(held[0].record.acceptance_id, [0])])
    assert kafka.backlog.records() == 0


def test_what_was_in_the_hands_of_one_who_died_moves_to_postgres_before_it_is_delivered_again(
    processes: Processes, kafka: KafkaParts, pool: ConnectionPool[Any], clock: Clock
) -> None:
    first = processes.start()
    given = [record("a@example.test", "b@example.test") for _ in range(3)]
    first.put_all(given)
    held = leased(first)
    first.done([(held[0].record.acceptance_id, [0, 1])])
    first.postpone(held[1], 0, due_at=clock() + 60_000, failures=1, error="x")
    processes.kill()
    second = processes.start()
    again = {one.record.acceptance_id: one for one in leased(second)}
    while len(again) < 2:
        again |= {one.record.acceptance_id: one for one in leased(second)}
    assert kafka.backlog.records() == 0
    assert count(pool, "SELECT count(*) FROM queue_records") == 2
    assert again[held[1].record.acceptance_id].recipients == (1,)
    assert again[held[2].record.acceptance_id].recipients == (0, 1)
    assert {one.interruptions for one in again.values()} == {1}


def test_who_leaves_gracefully_leaves_nothing_to_be_done_again(processes: Processes, pool: ConnectionPool[Any]) -> None:
    first = processes.start()
    given = [record() for _ in range(6)]
    first.put_all(given)
    held = leased(first, limit=2)
    first.done([(one.record.acceptance_id, [0]) for one in held])
    first.close()
    second = processes.start()
    rest = lease_all(second, 4)
    assert sorted(one.acceptance_id for one in [*rest, *(h.record for h in held)]) == sorted(
        one.acceptance_id for one in given
    )
    assert count(pool, "SELECT count(*) FROM queue_records") == 0


@pytest.mark.parametrize(
    "poison",
    [
        b"\x00 bad bytes",
        b"",
        encoded(record("nobody@example.test")).replace(b"emails/", b"emails\x00"),
        encoded(QueueRecord(envelope=record().envelope, blob="x" * 201)),
    ],
)
def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_stops_nobody(
    queue: KafkaQueue, kafka: KafkaParts, pool: ConnectionPool[Any], poison: bytes, tmp_path: Any
) -> None:
    before, after = record(), record()
    queue.put(before)
    kafka.publisher.publish(kafka.topics.incoming, [(before.acceptance_id, poison)], together=True)
    queue.put(after)
    assert sorted(one.acceptance_id for one in lease_all(queue, 2)) == sorted(
        [before.acceptance_id, after.acceptance_id]
    )
    queue.done([(before.acceptance_id, [0]), (after.acceptance_id, [0])])
    assert kafka.backlog.records() == 0
    letters = DeadLetters(
        pool.connection, queue=queue, blobs=FileBlobs(tmp_path), hostname="mx.example.test", clock_ms=Clock()
    )
    (letter,) = letters.list()
    assert letter.record is None
    assert count(pool, "SELECT length(record) FROM dead_letters") == len(poison) + 1
    assert letters.retry(letter)
    assert leased(queue) == []
    assert count(pool, "SELECT count(*) FROM queue_failures WHERE error LIKE 'cannot be read%'") == 1


def test_neither_postgres_nor_the_topic_has_the_other_wait(queue: KafkaQueue, clock: Clock) -> None:
    waiting = [record() for _ in range(10)]
    queue.put_all(waiting)
    for held in leased(queue):
        queue.postpone(held, 0, due_at=clock(), failures=0, error="x")
    fresh = record()
    queue.put(fresh)
    first = [one.record for one in leased(queue, limit=4)]
    assert fresh in first
    assert len(first) == 4
    assert len(leased(queue)) == 7


def test_every_record_that_is_put_twice_is_settled_by_one_delivery(queue: KafkaQueue, kafka: KafkaParts) -> None:
    given = [record() for _ in range(5)]
    for one in [*given, *given]:
        queue.put(one)
    held = leased(queue, limit=20)
    assert len(held) == 5
    assert kafka.backlog.records() == 10
    queue.done([(one.record.acceptance_id, [0]) for one in held])
    leased(queue)
    assert kafka.backlog.records() == 0


def test_a_record_too_large_for_kafka_waits_in_postgres(queue: KafkaQueue, kafka: KafkaParts) -> None:
    address = f"{'a' * 60}@{'b' * 60}.example.test"
    large = record(*[address] * (MAX_RECORD_BYTES // 100))
    queue.put(large)
    assert kafka.backlog.records() == 0
    assert [one.record for one in leased(queue)] == [large]


def test_what_was_settled_is_deleted_by_the_brokers(queue: KafkaQueue, kafka: KafkaParts) -> None:
    given = [record() for _ in range(9)]
    for one in given:
        queue.put(one)
    queue.done([(one.record.acceptance_id, [0]) for one in leased(queue, limit=5)])
    queue._member.trim()
    with kafka.cluster.admin() as admin:
        places = [TopicPartition(kafka.topics.incoming, number) for number in range(3)]
        starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    assert 0 < sum(one.offset for one in starts.values()) <= 5
    assert len(lease_all(queue, 4)) == 4


def test_a_settled_record_lets_go_of_what_delivery_held(queue: KafkaQueue, pool: ConnectionPool[Any]) -> None:
    given = record("a@example.test", "b@example.test")
    queue.put(given)
    (held,) = leased(queue)
    with pool.connection() as connection:
        connection.execute("INSERT INTO blobs VALUES ('attachments/x', 1, now())")
        connection.execute(
            "INSERT INTO blob_references VALUES (%s, 'attachments/x')", (f"queue:{given.acceptance_id}",)
        )
    queue.postpone(held, 0, due_at=0, failures=1, error="x")
    queue.done([(given.acceptance_id, [1])])
    assert count(pool, "SELECT count(*) FROM blob_references") == 2
    (again,) = leased(queue)
    queue.done([(again.record.acceptance_id, [0])])
    assert count(pool, "SELECT count(*) FROM blob_references") == 0


def test_no_object_is_collected_while_mail_waits_for_half_the_grace(
    queue: KafkaQueue, kafka: KafkaParts, pool: ConnectionPool[Any], tmp_path: Any
) -> None:
    waits_since = kafka.backlog.has_any_from_before
    assert not waits_since(2**62)
    queue.put(record())
    assert not waits_since(1)
    assert waits_since(4_000_000_000_000)
    blobs = FileBlobs(tmp_path)
    blobs.put("emails/2026/11/27/a1.eml", b"x")
    far_s = 400 * 365 * 86_400

    def collect(now_ms: int) -> None:
        collect_blobs(now_ms, connect=pool.connection, blobs=blobs, grace_s=3600.0, waits_from_before=waits_since)

    for later_s in (far_s, far_s + 7200, far_s + 14400):
        collect(later_s * 1000)
    assert blobs.exists("emails/2026/11/27/a1.eml")
    queue.done([(one.record.acceptance_id, [0]) for one in leased(queue)])
    for later_s in (far_s, far_s + 7200):
        collect(later_s * 1000)
    assert not blobs.exists("emails/2026/11/27/a1.eml")


def test_a_lease_that_ends_in_this_process_is_given_again_and_is_settled_once(
    queue: KafkaQueue, kafka: KafkaParts, clock: Clock
) -> None:
    queue.put(record())
    leased(queue)
    clock.advance(LEASE_S + 1)
    (again,) = leased(queue)
    queue.done([(again.record.acceptance_id, [0])])
    assert kafka.backlog.records() == 0
