"""The queue on Postgres."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from gateways.queue import QueueUnavailableError
from infra.gathering import Gathering
from infra.postgres_queue import ATTENDANCE, PostgresQueue, encoded, queue_depths
from infra.queue_hints import AttendedQueue, QueueHints
from infra.trail.queue import ToldQueue
from tests.contracts.queue import Clock, QueueContract, leased, record


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(module_database_url: str) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(module_database_url, max_size=20, kwargs={"autocommit": True}) as made:
        with made.connection() as connection:
            connection.execute("TRUNCATE queue_records, queue_failures, dead_letters, blob_references, blobs")
        yield made


@pytest.fixture
def queue(pool: ConnectionPool[Any], clock: Clock) -> PostgresQueue:
    return PostgresQueue(pool.connection, clock_ms=clock)


class TestPostgresQueue(QueueContract):
    pass


class TestAttendedQueue(QueueContract):
    @pytest.fixture
    def queue(self, pool: ConnectionPool[Any], clock: Clock, module_database_url: str) -> Iterator[AttendedQueue]:
        hints = QueueHints(module_database_url, "worker")
        yield AttendedQueue(PostgresQueue(pool.connection, clock_ms=clock), hints)
        hints.close()


class TestToldQueue(QueueContract):
    @pytest.fixture
    def queue(self, pool: ConnectionPool[Any], clock: Clock) -> ToldQueue:
        return ToldQueue(PostgresQueue(pool.connection, clock_ms=clock))


def holders(pool: ConnectionPool[Any]) -> set[str]:
    with pool.connection() as connection:
        return {holder for (holder,) in connection.execute("SELECT holder FROM blob_references")}


def test_a_record_holds_its_object_until_it_is_settled(queue: PostgresQueue, pool: ConnectionPool[Any]) -> None:
    given = record()
    queue.put(given)
    assert holders(pool) == {f"queue:{given.acceptance_id}"}
    queue.done([(given.acceptance_id, [0])])
    assert holders(pool) == set()


def test_a_dead_letter_holds_the_object_after_its_record_is_gone(
    queue: PostgresQueue, pool: ConnectionPool[Any]
) -> None:
    given = record()
    queue.put(given)
    (held,) = leased(queue)
    queue.bury(held, 0, error="unreadable")
    assert holders(pool) == {f"dead:{given.acceptance_id}"}
    with pool.connection() as connection:
        depths = queue_depths(connection.cursor())
    assert depths == {"ledgermail_queue_records": 0, "ledgermail_dead_letters": 1}


def test_a_put_wakes_who_listens(queue: PostgresQueue, module_database_url: str) -> None:
    hints = QueueHints(module_database_url, "w1")
    hints.wait(0.01)
    queue.put(record())
    waited = threading.Thread(target=hints.wait, args=(60,))
    waited.start()
    waited.join(20)
    assert not waited.is_alive()
    hints.close()


def test_a_server_that_is_gone_is_an_outage(clock: Clock) -> None:
    nowhere = PostgresQueue(lambda: psycopg.connect("host=/nowhere dbname=x", connect_timeout=1), clock_ms=clock)
    with pytest.raises(QueueUnavailableError):
        nowhere.put(record())
    with pytest.raises(QueueUnavailableError):
        leased(nowhere)


class CutAtNotify(psycopg.Connection[Any]):
    """A connection whose server process dies when it is to notify."""

    def execute(self, query: Any, *arguments: Any, **named: Any) -> Any:
        if str(query).startswith("NOTIFY"):
            with psycopg.connect(self.info.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (self.info.backend_pid,))
        return super().execute(query, *arguments, **named)


def test_what_is_committed_is_taken_though_nobody_can_be_notified(
    pool: ConnectionPool[Any], module_database_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    given = record()
    cut = PostgresQueue(lambda: CutAtNotify.connect(module_database_url, autocommit=True), clock_ms=clock)
    with caplog.at_level(logging.WARNING):
        cut.put(given)
    assert "workers find it by themselves" in caplog.text
    (held,) = leased(PostgresQueue(pool.connection, clock_ms=clock))
    assert held.record == given


@pytest.mark.parametrize("spoilt", ["record = '\\x00'", "open = '{0,7}'"])
def test_a_record_that_cannot_be_read_is_put_off_with_its_error_and_the_others_are_leased(
    queue: PostgresQueue, pool: ConnectionPool[Any], clock: Clock, spoilt: str
) -> None:
    good, bad = record(), record()
    queue.put(bad)
    queue.put(good)
    with pool.connection() as connection:
        connection.execute(f"UPDATE queue_records SET {spoilt} WHERE acceptance_id = %s", (bad.acceptance_id,))
    assert [held.record for held in leased(queue)] == [good]
    queue.done([(good.acceptance_id, [0])])
    clock.advance(599)
    assert leased(queue) == []
    with pool.connection() as connection:
        (waiting,) = connection.execute("SELECT leased_by, interruptions FROM queue_records").fetchall()
        shown = connection.execute("SELECT DISTINCT failures, error FROM queue_failures").fetchall()
        connection.execute("UPDATE queue_records SET record = %s, open = '{0}'", (encoded(bad),))
    assert waiting == (None, 0)
    assert [(failures, error[:14]) for failures, error in shown] == [(0, "cannot be read")]
    clock.advance(1)
    assert [held.record for held in leased(queue)] == [bad]


def test_of_gathered_work_that_is_broken_off_only_what_was_done_counts_as_done() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(items: Any) -> None:
        begun.set()
        go_on.wait(20)
        if len(items) > 1:
            raise ValueError("one by one")
        if items == [3]:
            raise SystemExit

    gathering = Gathering(work)
    done: list[int] = []
    failed: list[int] = []

    def run(item: int) -> None:
        try:
            gathering.run(item)
            done.append(item)
        except BaseException:  # noqa: BLE001 - whatever it is, it must not pass for done
            failed.append(item)

    threads = [threading.Thread(target=run, args=(item,)) for item in range(5)]
    threads[0].start()
    begun.wait(20)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(gathering._waiting) < number:
            continue
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (sorted(done), sorted(failed)) == ([0, 2], [1, 3, 4])


def test_of_gathered_work_only_the_guilty_item_fails() -> None:
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def work(items: Any) -> None:
        begun.set()
        go_on.wait(20)
        if 3 in items:
            raise ValueError("three")
        done.extend(items)

    gathering = Gathering(work)
    failed: list[int] = []

    def run(item: int) -> None:
        try:
            gathering.run(item)
        except ValueError:
            failed.append(item)

    threads = [threading.Thread(target=run, args=(item,)) for item in range(8)]
    threads[0].start()
    begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (sorted(done), failed) == ([0, 1, 2, 4, 5, 6, 7], [3])


def test_leases_of_a_worker_that_lives_no_more_end_when_another_one_begins(
    queue: PostgresQueue, module_database_url: str
) -> None:
    living, dead = QueueHints(module_database_url, "living"), QueueHints(module_database_url, "dead")
    living.attend()
    dead.attend()
    given = [record(), record()]
    for one, worker in zip(given, ("living", "dead"), strict=True):
        queue.put(one)
        assert [held.record for held in leased(queue, worker)] == [one]
    assert queue.end_leases_of_the_dead() == 0
    assert leased(queue, "another") == []
    dead.close()
    while not queue.end_leases_of_the_dead():
        living.wait(0.01)  # the server takes a moment to see the connection end
    (again,) = leased(queue, "another")
    assert (again.record, again.interruptions) == (given[1], 1)
    living.close()


def test_what_comes_first_is_leased_first_whatever_its_id_and_though_clocks_differ(
    queue: PostgresQueue, clock: Clock
) -> None:
    given = sorted((record() for _ in range(5)), key=lambda one: one.acceptance_id, reverse=True)
    for one in given:
        clock.advance(1)
        queue.put(one)
    clock.advance(-9)
    assert [held.record for held in leased(queue)] == given


def test_a_record_at_which_workers_died_that_had_it_alone_waits_longer_each_time(
    queue: PostgresQueue, clock: Clock
) -> None:
    queue.put(record())
    for pause_s in (2, 8, 18):
        (held,) = leased(queue, "dead")
        queue.take_alone(held)
        assert queue.end_leases_of_the_dead() == 1
        clock.advance(pause_s - 0.001)
        assert leased(queue, "another") == []
        clock.advance(0.001)
    (held,) = leased(queue, "another")
    assert held.interruptions == 5


def test_a_worker_whose_connection_was_cut_attends_again_before_it_leases(
    pool: ConnectionPool[Any], queue: PostgresQueue, module_database_url: str
) -> None:
    hints = QueueHints(module_database_url, "worker")
    attended = AttendedQueue(queue, hints)
    queue.put(record())
    assert attended.lease("worker", limit=0, lease_s=60) == []
    with pool.connection() as connection:
        cut = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2"
        )
        assert connection.execute(cut, (ATTENDANCE,)).fetchall() == [(True,)]
    (held,) = attended.lease("worker", limit=10, lease_s=60)
    assert queue.end_leases_of_the_dead() == 0
    assert held.interruptions == 0
    hints.close()


def test_a_worker_that_comes_back_waits_for_no_lost_connection_of_its_own(module_database_url: str) -> None:
    lost, back = QueueHints(module_database_url, "worker"), QueueHints(module_database_url, "worker")
    lost.attend()
    back.attend()
    with psycopg.connect(module_database_url) as connection:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted"
        assert connection.execute(held, (ATTENDANCE,)).fetchone() == (2,)
    lost.close()
    back.close()
