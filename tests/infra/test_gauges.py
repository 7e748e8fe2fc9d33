"""What the metrics say of the whole installation, from its database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from infra.gauges import DatabaseGauges
from infra.readiness import Checks

NOW_MS = 1_800_000_000_000
Connect = Callable[[], AbstractContextManager[Connection[Any]]]
Key = str | tuple[str, str]


@pytest.fixture
def connect(database_url: str) -> Connect:
    @contextmanager
    def connected() -> Iterator[Connection[Any]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            yield connection

    return connected


def read(connect: Connect, checks: Checks | None = None) -> dict[Key, float]:
    gauges = DatabaseGauges(connect, checks or Checks(), ("search",), clock_ms=lambda: NOW_MS)
    return {(one.name, one.label[1]) if one.label else one.name: one.value for one in gauges.read()}


def queued(connection: Connection[Any], name: str, *, accepted_at: int, due_at: int) -> None:
    columns = "acceptance_id, record, open, accepted_at, due_at"
    connection.execute(
        f"INSERT INTO queue_records ({columns}) VALUES (%s, '', '{{0}}', %s, %s)", (name, accepted_at, due_at)
    )


def test_what_is_due_and_in_nobodys_hands_is_told_apart_from_what_is_leased_or_waits(connect: Connect) -> None:
    with connect() as connection:
        queued(connection, "fresh", accepted_at=NOW_MS - 90_000, due_at=0)
        queued(connection, "due again", accepted_at=NOW_MS - 500_000, due_at=NOW_MS - 20_000)
        queued(connection, "leased", accepted_at=NOW_MS - 500_000, due_at=NOW_MS + 60_000)
    found = read(connect)
    assert (found["queue_records"], found["queue_due_unclaimed"], found["queue_due_unclaimed_seconds"]) == (3, 2, 90)


def test_an_empty_installation_waits_for_nothing_and_lags_by_nothing(connect: Connect) -> None:
    found = read(connect)
    assert set(found.values()) == {0}
    assert {("follower_lag_seconds", "search"), "submissions_due_unclaimed_seconds", "dead_letters"} <= found.keys()


def test_submissions_that_nobody_claims_are_told_wherever_they_lie(connect: Connect) -> None:
    with connect() as connection:
        connection.execute("INSERT INTO outbox VALUES ('m1', 's1', %s)", (NOW_MS - 4_000,))
        connection.execute(
            "INSERT INTO sending (mailbox_id, submission_id, claimed_at, due_at) VALUES ('m1', 's2', 0, %s)",
            (NOW_MS + 1,),
        )
    found = read(connect)
    names = ("submissions", "submissions_due_unclaimed", "submissions_due_unclaimed_seconds")
    assert [found[name] for name in names] == [2, 1, 4]


def given_events(connection: Connection[Any], mailbox_id: str, *recorded_at: int) -> None:
    connection.execute("INSERT INTO mailboxes (mailbox_id, head) VALUES (%s, %s)", (mailbox_id, len(recorded_at)))
    columns = "originator_id, originator_version, topic, recorded_at, key_id, state, hash"
    for seq, moment in enumerate(recorded_at, start=1):
        connection.execute(
            f"INSERT INTO stored_events ({columns}) VALUES (%s, %s, 'T', %s, 'k', '', '')", (mailbox_id, seq, moment)
        )


def test_a_views_lag_is_the_age_of_the_oldest_event_that_it_lacks(connect: Connect) -> None:
    with connect() as connection:
        given_events(connection, "m1", NOW_MS - 80_000, NOW_MS - 9_000, NOW_MS - 1_000)
        given_events(connection, "m2", NOW_MS - 5_000)
        connection.execute("INSERT INTO followers (view, mailbox_id, applied_seq) VALUES ('search', 'm1', 1)")
        connection.execute("INSERT INTO follower_wakes VALUES ('search', 'm1', 3)")
        connection.execute("INSERT INTO wake VALUES ('m2', 1)")
    found = read(connect)
    assert found[("follower_lag_seconds", "search")] == 9
    assert found[("follower_lag_events", "search")] == 2


def test_a_view_that_nobody_was_woken_for_lags_all_the_same(connect: Connect) -> None:
    with connect() as connection:
        given_events(connection, "m1", NOW_MS - 80_000, NOW_MS - 7_000)
        connection.execute("INSERT INTO followers (view, mailbox_id, applied_seq) VALUES ('search', 'm1', 1)")
    assert read(connect)[("follower_lag_seconds", "search")] == 7


def test_a_parked_mailbox_is_counted_and_makes_no_lag_in_seconds(connect: Connect) -> None:
    with connect() as connection:
        given_events(connection, "m1", NOW_MS - 80_000)
        parked = (
            "INSERT INTO followers (view, mailbox_id, parked_error, parked_at) VALUES ('search', 'm1', 'broken', 1)"
        )
        connection.execute(parked)
        connection.execute("INSERT INTO follower_wakes VALUES ('search', 'm1', 1)")
    found = read(connect)
    assert (found[("parked_mailboxes", "search")], found[("follower_lag_seconds", "search")]) == (1, 0)


def test_while_the_database_is_away_the_metrics_still_say_what_does_not_answer() -> None:
    @contextmanager
    def away() -> Iterator[Connection[Any]]:
        raise psycopg.OperationalError("nobody there")
        yield

    def asked() -> None:
        with away():
            pass

    checks = Checks()
    checks.add("database", asked)
    assert read(away, checks) == {"failing_checks": 1, ("failing", "database"): 1}
    assert read(away) == {"failing_checks": 0}
