"""Holds, releases and touches, in the caller's transaction."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import dict_row

from infra.blob_references import hold, hold_many, holders_of, names_held, release, release_many, touch

A, B, C = "attachments/aa", "attachments/bb", "attachments/cc"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        touch(connection, {A: 1, B: 2, C: 3})
        yield connection


def test_what_is_held_is_known_both_ways(connection: psycopg.Connection) -> None:
    hold(connection, "mailbox:b1:m1", [B, A])
    hold(connection, "draft:d1", iter([B]))
    assert names_held(connection, "mailbox:b1:m1") == [A, B]
    assert holders_of(connection, B) == ["draft:d1", "mailbox:b1:m1"]
    assert holders_of(connection, C) == []


def test_holding_twice_is_holding_once_and_adds_to_what_is_held(connection: psycopg.Connection) -> None:
    hold(connection, "draft:d1", [A])
    hold(connection, "draft:d1", [A, B, B])
    hold(connection, "draft:d1", [])
    assert names_held(connection, "draft:d1") == [A, B]


def test_a_release_is_of_that_holder_alone(connection: psycopg.Connection) -> None:
    hold_many(connection, {"queue:a1": [A, B], "draft:d1": [A], "upload:u1": [C], "outbox:s1": []})
    release(connection, "queue:a1")
    release(connection, "queue:a1")
    assert holders_of(connection, A) == ["draft:d1"]
    release_many(connection, ["draft:d1", "upload:u1", "dead:never"])
    release_many(connection, [])
    assert [holders_of(connection, name) for name in (A, B, C)] == [[], [], []]


def test_a_hold_stands_or_falls_with_the_callers_transaction(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=dict_row) as cursor:
        touch(cursor, {A: 1})
        hold(cursor, "queue:a1", [A])
        assert names_held(cursor, "queue:a1") == [A]
    assert names_held(connection, "queue:a1") == []


def test_holding_what_nobody_touched_fails(connection: psycopg.Connection) -> None:
    with pytest.raises(ForeignKeyViolation):
        hold(connection, "queue:a1", ["attachments/never"])


def test_a_touch_makes_younger_takes_the_mark_off_and_keeps_the_size(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE blobs SET touched_at = now() - interval '2 days', marked_at = now()")
    touch(connection, {A: 10})
    touch(connection, {})
    rows = connection.execute(
        "SELECT name, size, touched_at > now() - interval '1 minute', marked_at IS NULL FROM blobs ORDER BY name"
    ).fetchall()
    assert rows == [(A, 10, True, True), (B, 2, False, False), (C, 3, False, False)]


def test_holds_and_touches_of_one_object_do_not_wait_for_each_other(
    connection: psycopg.Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as two:
        for session in (one, two):
            session.execute("SET lock_timeout = '2s'")
        touch(one, {A: 1})
        hold(one, "mailbox:b1:m1", [A])
        hold(two, "mailbox:b2:m2", [A])
    assert holders_of(connection, A) == ["mailbox:b1:m1", "mailbox:b2:m2"]


def test_a_release_looks_up_its_rows_by_index(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO blob_references SELECT 'mailbox:b' || n %% 100 || ':m' || n, %s FROM generate_series(1, 20000) n",
        (A,),
    )
    connection.execute("ANALYZE blob_references")
    for query in (
        "SELECT name FROM blob_references WHERE holder = ANY('{mailbox:b1:m1}')",
        "SELECT holder FROM blob_references WHERE name = 'attachments/bb'",
    ):
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}".encode()))
        assert "Seq Scan" not in plan
