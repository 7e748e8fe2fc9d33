"""A wire: statements of a pipeline, what they answer, and how the connection stands after one that fails."""

from collections.abc import Iterator

import psycopg
import pytest

from infra.store.array_literals import numbers, octets, texts
from infra.store.row_loading import read_json_as_raw
from infra.store.wire import Wire


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    connection = psycopg.connect(database_url, autocommit=True)
    read_json_as_raw(connection)
    wire = Wire(connection)
    yield wire
    wire.close()


def asked(wire: Wire, statement: str, *parameters: str | bytes | None) -> list[tuple[object, ...]]:
    answer = wire.ask(statement, parameters)
    wire.round_trip()
    return answer.fetchall()


def test_one_round_trip_answers_every_statement_in_its_order(wire: Wire) -> None:
    first, second = wire.ask("SELECT 1, 'a'"), wire.ask("SELECT n FROM generate_series(1, %s::integer) n", ("3",))
    wire.round_trip()
    assert (first.fetchall(), second.fetchall()) == ([(1, "a")], [(1,), (2,), (3,)])
    assert asked(wire, "SELECT n FROM generate_series(1, %s::integer) n", "0") == []


def test_texts_octets_numbers_and_null_arrive_as_they_are(wire: Wire) -> None:
    given = ["", "plain", 'quoted " and \\', "new\nline", "{}", ", NULL", "ünï 漢"]
    assert asked(wire, "SELECT %s::text[]", texts(given)) == [(given,)]
    assert asked(wire, "SELECT %s::text[]", texts([])) == [([],)]
    assert asked(wire, "SELECT %b::bytea[]", octets([b"", b"\0\xff", b"x" * 70_000])) == [
        ([b"", b"\0\xff", b"x" * 70_000],)
    ]
    assert asked(wire, "SELECT %b::bytea[]", octets([])) == [([],)]
    assert asked(wire, "SELECT %s::bigint[], %s::text", numbers([-1, 2**62]), None) == [([-1, 2**62], None)]


def test_more_than_the_sockets_hold_goes_both_ways_at_once(wire: Wire) -> None:
    large = "x" * 8_000_000
    answers = [wire.ask("SELECT %s::text", (large,)) for _ in range(4)]
    wire.round_trip()
    assert all(answer.fetchall() == [(large,)] for answer in answers)


def test_what_was_sent_is_worked_on_until_it_is_received(wire: Wire, database_url: str) -> None:
    asked(wire, "CREATE TABLE sent (n integer)")
    answer = wire.ask("INSERT INTO sent VALUES (1) RETURNING pg_notify('done', '')")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("LISTEN done")
        wire.send()
        assert [notice.channel for notice in other.notifies(timeout=30, stop_after=1)] == ["done"]
        assert other.execute("SELECT n FROM sent").fetchall() == [(1,)]
    assert answer.fetchall() == []
    wire.receive()
    assert answer.fetchall() == [("",)]


def test_a_connection_that_was_given_back_is_used_as_any_other(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        wire = Wire(connection)
        assert asked(wire, "SELECT 1") == [(1,)]
        wire.give_back()
        with connection.transaction():
            assert connection.execute("SELECT %s::integer", (2,)).fetchone() == (2,)
        assert asked(Wire(connection), "SELECT 3") == [(3,)]


def test_behind_a_statement_that_fails_nothing_runs_and_what_was_not_prepared_is_prepared_again(wire: Wire) -> None:
    wire.ask("BEGIN")
    wire.ask("SELECT 1 / %s::integer", ("0",))
    behind = wire.ask("SELECT 'behind'")
    with pytest.raises(psycopg.errors.DivisionByZero):
        wire.round_trip()
    assert behind.fetchall() == []
    wire.roll_back()
    assert asked(wire, "SELECT 'behind'") == [("behind",)]
    assert asked(wire, "SELECT 1 / %s::integer", "1") == [(1,)]


def test_a_rollback_ends_also_what_was_queued_and_fails_only_then(wire: Wire) -> None:
    asked(wire, "CREATE TEMPORARY TABLE kept (n integer)")
    wire.ask("BEGIN")
    wire.ask("INSERT INTO kept VALUES (1)")
    wire.ask("SELECT 1 / 0")
    wire.roll_back()
    assert asked(wire, "SELECT count(*) FROM kept") == [(0,)]
    asked(wire, "INSERT INTO kept VALUES (2)")
    assert asked(wire, "SELECT n FROM kept") == [(2,)]


def test_a_connection_that_is_cut_is_an_outage(wire: Wire, database_url: str) -> None:
    ((pid,),) = asked(wire, "SELECT pg_backend_pid()")
    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)
    wire.ask("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        wire.round_trip()
    with pytest.raises(psycopg.OperationalError):
        wire.roll_back()
