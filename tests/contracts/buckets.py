"""What all who count keep to; an adapter's tests subclass `BucketsContract` and give `open_buckets` and `clock`."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from infra.buckets import Bucket, Buckets, Charge

OpenBuckets = Callable[[], Buckets]
"""Opens the counts; they go by the fixture `clock`."""
THREE = Bucket(3, 1000)


class Clock:
    """Time (ms) that passes when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class BucketsContract:
    """The port's promises, one test each."""

    def test_a_bucket_takes_what_it_holds_and_then_says_how_long_to_wait(
        self, open_buckets: OpenBuckets, clock: Clock
    ) -> None:
        buckets, charge = open_buckets(), [Charge("ann", THREE)]
        assert [buckets.add(charge) for _ in range(4)] == [0, 0, 0, 1000]
        clock.now_ms += 400
        assert buckets.add(charge) == 600

    def test_one_is_forgotten_at_every_interval(self, open_buckets: OpenBuckets, clock: Clock) -> None:
        buckets, charge = open_buckets(), [Charge("ann", THREE)]
        for _ in range(3):
            buckets.add(charge)
        clock.now_ms += 1000
        assert [buckets.add(charge) for _ in range(2)] == [0, 1000]
        clock.now_ms += 60_000
        assert [buckets.add(charge) for _ in range(4)] == [0, 0, 0, 1000]

    def test_subjects_are_counted_apart(self, open_buckets: OpenBuckets, clock: Clock) -> None:
        buckets = open_buckets()
        for _ in range(3):
            buckets.add([Charge("ann", THREE)])
        assert buckets.add([Charge("bob", THREE)]) == 0

    def test_where_one_of_two_is_full_nothing_is_added_to_the_other(
        self, open_buckets: OpenBuckets, clock: Clock
    ) -> None:
        buckets, ann, place = open_buckets(), Charge("ann", THREE), Charge("place", Bucket(1, 5000))
        assert [buckets.add([ann, place]) for _ in range(3)] == [0, 5000, 5000]
        assert [buckets.add([ann]) for _ in range(3)] == [0, 0, 1000]

    def test_what_is_taken_back_makes_room(self, open_buckets: OpenBuckets, clock: Clock) -> None:
        buckets, charge = open_buckets(), [Charge("ann", THREE)]
        for _ in range(3):
            buckets.add(charge)
        buckets.take_back(charge)
        assert [buckets.add(charge) for _ in range(2)] == [0, 1000]

    def test_taking_back_more_than_was_added_gives_no_more_room_than_there_is(
        self, open_buckets: OpenBuckets, clock: Clock
    ) -> None:
        buckets, charge = open_buckets(), [Charge("ann", THREE)]
        buckets.add(charge)
        for _ in range(5):
            buckets.take_back(charge)
        assert [buckets.add(charge) for _ in range(4)] == [0, 0, 0, 1000]

    def test_an_emptied_bucket_takes_all_that_it_holds_again(self, open_buckets: OpenBuckets, clock: Clock) -> None:
        buckets, ann, place = open_buckets(), Charge("ann", THREE), Charge("place", THREE)
        for _ in range(3):
            buckets.add([ann, place])
        buckets.take_back([place], emptied="ann")
        assert [buckets.add([ann]) for _ in range(4)] == [0, 0, 0, 1000]
        assert [buckets.add([place]) for _ in range(2)] == [0, 1000]

    def test_what_is_added_side_by_side_is_never_more_than_the_bucket_holds(
        self, open_buckets: OpenBuckets, clock: Clock
    ) -> None:
        buckets, charge, start = open_buckets(), [Charge("ann", Bucket(20, 1000))], threading.Barrier(8)

        def add(_number: int) -> int:
            start.wait()
            return [buckets.add(charge) for _ in range(10)].count(0)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(add, range(8))) == 20
