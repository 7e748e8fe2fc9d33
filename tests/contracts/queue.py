"""What every queue keeps to; an adapter's tests subclass `QueueContract` and give the fixtures `queue` and `clock`."""

from concurrent.futures import ThreadPoolExecutor

from gateways.queue import Leased, Queue, QueueRecord
from tests.post_office import envelope_of

LEASE_S = 30.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


def record(*recipients: str) -> QueueRecord:
    envelope = envelope_of(b"x", *(recipients or ("ann@example.test",)), received_at=1)
    return QueueRecord(envelope=envelope, blob=f"emails/2026/11/22/{envelope.acceptance_id}.eml")


def leased(queue: Queue, worker: str = "w1", limit: int = 10) -> list[Leased]:
    return list(queue.lease(worker, limit=limit, lease_s=LEASE_S))


class QueueContract:
    """The port's promises, one test each."""

    def test_what_was_put_is_leased_whole(self, queue: Queue) -> None:
        given = record("ann@example.test", "carl@example.test")
        queue.put(given)
        (got,) = leased(queue)
        assert got.record == given
        assert sorted(got.recipients) == [0, 1]
        assert got.failures == {}
        assert got.interruptions == 0

    def test_a_record_put_twice_is_there_once(self, queue: Queue) -> None:
        given = record()
        queue.put(given)
        queue.put(given)
        assert len(leased(queue)) == 1

    def test_records_put_together_are_there_each_once_however_often(self, queue: Queue) -> None:
        given = [record(), record("ann@example.test", "carl@example.test"), record()]
        queue.put(given[1])
        queue.put_all(given)
        queue.put_all(given)
        queue.put_all([])
        found = {one.record.acceptance_id: one.record for one in leased(queue)}
        assert found == {one.acceptance_id: one for one in given}

    def test_what_one_worker_holds_no_other_gets(self, queue: Queue) -> None:
        for _ in range(5):
            queue.put(record())
        first, second = leased(queue, "w1", limit=3), leased(queue, "w2")
        assert (len(first), len(second)) == (3, 2)
        assert not {one.record.acceptance_id for one in first} & {one.record.acceptance_id for one in second}

    def test_a_lease_that_ended_is_given_to_another_and_counted(self, queue: Queue, clock: Clock) -> None:
        queue.put(record())
        leased(queue, "w1")
        clock.advance(LEASE_S - 1)
        assert leased(queue, "w2") == []
        clock.advance(2)
        (again,) = leased(queue, "w2")
        assert again.interruptions == 1

    def test_workers_that_died_at_much_else_make_a_record_no_more_than_suspect(
        self, queue: Queue, clock: Clock
    ) -> None:
        queue.put(record())
        for expected in (0, 1, 2, 2, 2):
            (held,) = leased(queue)
            assert held.interruptions == expected
            clock.advance(LEASE_S + 1)

    def test_who_died_having_it_alone_is_counted_further(self, queue: Queue, clock: Clock) -> None:
        queue.put(record())
        for expected in (0, 3, 4, 5):
            (held,) = leased(queue)
            assert held.interruptions == expected
            queue.take_alone(held)
            clock.advance(LEASE_S + 1)
        (held,) = leased(queue)
        queue.take_alone(held)
        queue.postpone(held, 0, due_at=clock(), failures=1, error="lived, and said so")
        (held,) = leased(queue)
        assert held.interruptions == 2

    def test_what_is_handed_back_is_due_at_once_and_nothing_is_counted(self, queue: Queue, clock: Clock) -> None:
        queue.put_all([record(), record("a@example.test", "b@example.test")])
        held = leased(queue)
        queue.hand_back(held)
        again = leased(queue, "w2")
        assert {one.record.acceptance_id: one.recipients for one in again} == {
            one.record.acceptance_id: one.recipients for one in held
        }
        assert [one.interruptions for one in again] == [0, 0]
        clock.advance(LEASE_S + 1)
        assert [one.interruptions for one in leased(queue)] == [1, 1]

    def test_what_is_done_never_comes_back(self, queue: Queue, clock: Clock) -> None:
        given = record()
        queue.put(given)
        leased(queue)
        queue.done([(given.acceptance_id, [0])])
        queue.done([(given.acceptance_id, [0])])
        clock.advance(LEASE_S + 1)
        assert leased(queue) == []

    def test_only_recipients_that_are_not_settled_come_back(self, queue: Queue, clock: Clock) -> None:
        given = record("a@example.test", "b@example.test", "c@example.test")
        queue.put(given)
        leased(queue)
        queue.done([(given.acceptance_id, [0, 2])])
        clock.advance(LEASE_S + 1)
        (again,) = leased(queue)
        assert again.recipients == (1,)

    def test_a_postponed_recipient_comes_when_it_is_due_with_its_failures(self, queue: Queue, clock: Clock) -> None:
        given = record("a@example.test", "b@example.test")
        queue.put(given)
        (held,) = leased(queue)
        queue.postpone(held, 1, due_at=clock() + 60_000, failures=1, error="disk\0on fire")
        queue.done([(given.acceptance_id, [0])])
        clock.advance(59)
        assert leased(queue) == []
        clock.advance(1)
        (again,) = leased(queue)
        assert (again.recipients, dict(again.failures), again.interruptions) == ((1,), {1: 1}, 0)

    def test_recipients_due_at_other_times_come_apart(self, queue: Queue, clock: Clock) -> None:
        queue.put(record("a@example.test", "b@example.test"))
        (held,) = leased(queue)
        queue.postpone(held, 0, due_at=clock() + 10_000, failures=1, error="x")
        queue.postpone(held, 1, due_at=clock() + 60_000, failures=2, error="y")
        clock.advance(10)
        (again,) = leased(queue)
        assert again.recipients == (0,)

    def test_a_record_of_which_some_are_settled_waits_without_a_lease(self, queue: Queue, clock: Clock) -> None:
        given = record("a@example.test", "b@example.test")
        queue.put(given)
        (held,) = leased(queue)
        queue.postpone(held, 0, due_at=clock() + 10_000, failures=1, error="x")
        queue.postpone(held, 1, due_at=clock() + 3_600_000, failures=2, error="y")
        clock.advance(10)
        leased(queue)
        queue.done([(given.acceptance_id, [0])])
        clock.advance(3_589)
        assert leased(queue) == []
        clock.advance(1)
        (again,) = leased(queue)
        assert (again.recipients, again.interruptions) == ((1,), 0)

    def test_who_is_settled_first_leaves_the_others_leased(self, queue: Queue, clock: Clock) -> None:
        given = record("a@example.test", "b@example.test")
        queue.put(given)
        leased(queue)
        queue.done([(given.acceptance_id, [0])])
        clock.advance(LEASE_S - 1)
        assert leased(queue) == []

    def test_a_buried_recipient_is_not_leased_again_and_the_others_are(self, queue: Queue, clock: Clock) -> None:
        queue.put(record("a@example.test", "b@example.test"))
        (held,) = leased(queue)
        queue.bury(held, 0, error="unreadable")
        queue.bury(held, 0, error="unreadable")
        clock.advance(LEASE_S + 1)
        (again,) = leased(queue)
        assert again.recipients == (1,)

    def test_words_on_a_record_that_is_settled_change_nothing(self, queue: Queue, clock: Clock) -> None:
        given = record()
        queue.put(given)
        (held,) = leased(queue)
        queue.done([(given.acceptance_id, [0])])
        queue.postpone(held, 0, due_at=clock(), failures=1, error="late")
        queue.bury(held, 0, error="late")
        assert leased(queue) == []

    def test_sixteen_threads_that_put_at_once_all_find_their_records_leased_once(self, queue: Queue) -> None:
        given = [record() for _ in range(160)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(queue.put, given))
        with ThreadPoolExecutor(4) as pool:
            got = [one for batch in pool.map(lambda n: leased(queue, f"w{n}", 40), range(4)) for one in batch]
        assert sorted(one.record.acceptance_id for one in got) == sorted(one.acceptance_id for one in given)

    def test_the_longest_due_come_first(self, queue: Queue, clock: Clock) -> None:
        given = [record() for _number in range(9)]
        queue.put_all(given)
        place = {one.acceptance_id: number for number, one in enumerate(given)}
        for held in leased(queue):
            due_at = clock() + 1_000 * (9 - place[held.record.acceptance_id])
            queue.postpone(held, 0, due_at=due_at, failures=0, error="x")
        clock.advance(3)
        assert [one.record for one in leased(queue, limit=1)] == given[-1:]
        clock.advance(7)
        assert [one.record for one in leased(queue)] == given[-2::-1]
