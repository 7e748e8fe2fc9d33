"""Counting in this process's memory, and in Postgres."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from infra.accounts.failure_counts import PostgresBuckets
from infra.buckets import SWEPT_ABOVE, Bucket, Charge, MemoryBuckets
from tests.contracts.buckets import BucketsContract, Clock, OpenBuckets


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestMemoryBuckets(BucketsContract):
    @pytest.fixture
    def open_buckets(self, clock: Clock) -> OpenBuckets:
        return lambda: MemoryBuckets(clock_ms=clock)

    def test_a_flood_of_subjects_costs_bounded_memory_and_the_full_ones_are_kept(self, clock: Clock) -> None:
        buckets, charge = MemoryBuckets(clock_ms=clock), [Charge("ann", Bucket(3, 1000))]
        for _ in range(3):
            buckets.add(charge)
        for number in range(3 * SWEPT_ABOVE):
            buckets.add([Charge(f"stranger {number}", Bucket(3, 1000))])
        assert len(buckets._empty_at) <= 2 * SWEPT_ABOVE
        assert buckets.add(charge) == 1000


class TestPostgresBuckets(BucketsContract):
    @pytest.fixture
    def pool(self, module_database_url: str) -> Iterator[ConnectionPool[Any]]:
        with ConnectionPool(module_database_url, max_size=8, kwargs={"autocommit": True}) as made:
            with made.connection() as connection:
                connection.execute("TRUNCATE sign_in_failures")
            yield made

    @pytest.fixture
    def open_buckets(self, pool: ConnectionPool[Any], clock: Clock) -> OpenBuckets:
        return lambda: PostgresBuckets(pool.connection, clock_ms=clock)
