"""The schedule of relayed mail beside a real Postgres."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain.ids import MailboxId, SubmissionId, new_id
from gateways.outgoing import DueMail, OutgoingMail
from gateways.relay.schedule import Outcome, Settled, SubmissionKey
from infra.queue_hints import QueueHints
from infra.relay.destinations import HAND
from infra.relay.schedule import LEASE_MS, PostgresSchedule
from tests.contracts.outgoing import OutgoingContract, due
from tests.contracts.queue import Clock


class Relays:
    """Takers that attend, until they go."""

    def __init__(self, url: str, pool: ConnectionPool) -> None:  # type: ignore[type-arg]
        self.url, self.pool, self.clock = url, pool, Clock()
        self.in_doubt = 0
        self.attending: dict[OutgoingMail, QueueHints] = {}

    def __call__(self) -> PostgresSchedule:
        name = new_id("r")
        hints = QueueHints(self.url, name)
        hints.attend()
        made = PostgresSchedule(self.pool.connection, name, clock_ms=self.clock, on_doubt=self._doubt)
        self.attending[made] = hints
        made.end_leases_of_the_dead()
        return made

    def go(self, taker: OutgoingMail) -> None:
        self.attending.pop(taker).close()

    def _doubt(self, count: int) -> None:
        self.in_doubt += count


@pytest.fixture
def takers(database_url: str) -> Iterator[Relays]:
    with ConnectionPool(database_url, min_size=1, max_size=4, kwargs={"autocommit": True}, open=True) as pool:
        made = Relays(database_url, pool)
        yield made
        for taker in list(made.attending):
            made.go(taker)


class TestPostgresSchedule(OutgoingContract):
    pass


def settled(mail: DueMail, status: str = "relayed", *, again: int | None = None, reply: str = "250 ok") -> Settled:
    outcomes = tuple(Outcome(place, status, reply) for place in mail.recipients)  # type: ignore[arg-type]
    return Settled(due=mail, outcomes=outcomes, due_again_at=again)


def taken(taker: PostgresSchedule, mail: DueMail) -> DueMail:
    taker.put_all([mail])
    (found,) = taker.take(limit=10)
    return found


def test_what_is_settled_ends_with_its_last_recipient_and_is_forgotten_when_its_sender_was_told(
    takers: Relays, database_url: str
) -> None:
    taker = takers()
    mail = taken(taker, due())
    first = Settled(due=mail, outcomes=(Outcome(0, "bounced", "550 5.1.1 no"),))
    assert taker.settle([first]) == []
    (ended,) = taker.settle([Settled(due=mail, outcomes=(Outcome(2, "relayed", "250 ok"),), due_again_at=0)])
    assert ended.told == (Outcome(0, "bounced", "550 5.1.1 no"),)
    taker.forget([ended.key])
    with psycopg.connect(database_url) as connection:
        for table in ("relay_schedule", "relay_outcomes", "relay_domains"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_is_deferred_is_due_again_at_its_time_as_the_next_attempt_for_those_left(takers: Relays) -> None:
    taker = takers()
    mail = taken(taker, due())
    outcomes = (Outcome(0, "relayed", "250 ok"), Outcome(2, "deferred", "451 4.3.0 later"))
    taker.settle([Settled(due=mail, outcomes=outcomes, due_again_at=takers.clock() + 60_000)])
    taker.done([mail])
    assert taker.take(limit=10) == []
    takers.clock.advance(60)
    (again,) = taker.take(limit=10)
    assert (again.recipients, again.attempt) == ((2,), 2)
    key = SubmissionKey(mail.mailbox_id, mail.submission_id)
    assert taker.open_recipients(key) == {2: "451 4.3.0 later"}


def test_a_submission_to_two_destinations_ends_with_the_second(takers: Relays) -> None:
    taker = takers()
    one = due("one.test")
    two = DueMail(
        domain="two.test", mailbox_id=one.mailbox_id, submission_id=one.submission_id, recipients=(1,), attempt=1
    )
    taker.put_all([one, two])
    first, second = taker.take(limit=10)
    assert taker.settle([settled(first, again=0)]) == []
    assert len(taker.settle([settled(second, again=0)])) == 1


def test_what_ended_but_was_not_told_is_taken_again_without_recipients(takers: Relays) -> None:
    first = takers()
    mail = taken(first, due())
    assert len(first.settle([settled(mail, again=takers.clock() + 1000)])) == 1
    takers.go(first)
    takers.clock.advance(60)
    second = takers()
    (left,) = second.take(limit=10)
    assert left.recipients == ()
    assert len(second.settle([Settled(due=left, outcomes=(), due_again_at=takers.clock() + 1000)])) == 1


def test_a_destination_is_in_the_hands_of_one_relay(takers: Relays) -> None:
    first, second = takers(), takers()
    mail = taken(first, due("one.test"))
    second.put_all([due("one.test"), due("two.test")])
    assert [one.domain for one in second.take(limit=10)] == ["two.test"]
    first.settle([settled(mail, again=0)])
    assert [one.domain for one in second.take(limit=10)] == ["one.test"]


def test_a_destination_that_hangs_leaves_hands_free_for_others(takers: Relays) -> None:
    taker = takers()
    taker.put_all([due("slow.test") for _ in range(HAND + 50)])
    taker.put_all([due("quick.test")])
    found = taker.take(limit=1000)
    assert sum(one.domain == "slow.test" for one in found) == HAND
    assert sum(one.domain == "quick.test" for one in found) == 1
    takers.clock.advance(2)
    assert taker.take(limit=1000) == []
    taker.settle([settled(found[0], again=0)])
    assert len(taker.take(limit=1000)) == 1


def test_whoever_lost_his_lease_marks_nothing_and_settles_nothing(takers: Relays) -> None:
    first = takers()
    mail = taken(first, due())
    takers.go(first)
    second = takers()
    (again,) = second.take(limit=1)
    assert first.mark([(mail, mail.recipients)]) == set()
    assert first.settle([settled(mail)]) == []
    assert second.mark([(again, again.recipients)]) == {again}


def test_recipients_that_the_far_side_may_have_are_counted_when_a_relay_dies(takers: Relays) -> None:
    first = takers()
    mail = taken(first, due())
    assert first.mark([(mail, (0, 2))]) == {mail}
    first.settle([Settled(due=mail, outcomes=(Outcome(0, "relayed", "250 ok"),))])
    takers.go(first)
    (again,) = takers().take(limit=1)
    assert (again.recipients, takers.in_doubt) == ((2,), 1)


def test_a_lease_that_nobody_ends_ends_by_itself(takers: Relays) -> None:
    taker = takers()
    mail = taken(taker, due())
    takers.clock.advance(LEASE_MS // 1000)
    assert taker.take(limit=1) == [mail]


def test_mail_put_while_the_last_of_a_destination_goes_is_found(takers: Relays) -> None:
    """Whoever removes a destination's row looks for its mails only once nobody else can add one."""
    taker = takers()
    mail = taken(taker, due("one.test"))
    (ended,) = taker.settle([settled(mail, again=0)])
    taker.put_all([due("one.test")])
    taker.forget([ended.key])
    assert len(taker.take(limit=1)) == 1


def test_the_rows_of_an_erased_mailbox_leave_no_destination_behind(takers: Relays, database_url: str) -> None:
    taker = takers()
    mail = due()
    taker.put_all([mail])
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM relay_schedule WHERE mailbox_id = %s", (mail.mailbox_id,))
    assert taker.take(limit=1) == []
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM relay_domains").fetchone() == (0,)


def test_the_next_one_due_of_many_is_found_by_indexes(takers: Relays, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO relay_schedule (mailbox_id, submission_id, domain, recipients, due_at, queued_at)"
            " SELECT 'm', 's' || n, 'd' || n %% 500 || '.test', '{0}', %s + n, 0 FROM generate_series(1, 20000) AS n",
            (takers.clock() + 1000,),
        )
        connection.execute(
            "INSERT INTO relay_domains (domain, due_at) SELECT domain, min(due_at) FROM relay_schedule GROUP BY domain"
        )
        connection.execute("ANALYZE")
        taker = takers()
        taker.put_all([due("now.test")])
        before = connection.execute("SELECT pg_stat_force_next_flush()") and _rows_read(connection)
        assert [one.domain for one in taker.take(limit=100)] == ["now.test"]
        with takers.pool.connection() as used:
            used.execute("SELECT pg_stat_force_next_flush()")
        assert _rows_read(connection) - before < 600


def _rows_read(connection: psycopg.Connection) -> int:  # type: ignore[type-arg]
    connection.execute("SELECT pg_stat_clear_snapshot()")
    found = connection.execute(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables"
        " WHERE relname LIKE 'relay_%'"
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_submission_ids_of_two_mailboxes_are_told_apart(takers: Relays) -> None:
    taker = takers()
    mine = due("one.test")
    other = DueMail(
        domain="one.test",
        mailbox_id=MailboxId("m2"),
        submission_id=SubmissionId(mine.submission_id),
        recipients=(0,),
        attempt=1,
    )
    taker.put_all([mine, other])
    found = taker.take(limit=10)
    (ended,) = taker.settle([settled(found[0], again=0)])
    assert ended.key == SubmissionKey(mine.mailbox_id, mine.submission_id)
    taker.forget([ended.key])
    assert [key for key in [taker.open_recipients(SubmissionKey(MailboxId("m2"), other.submission_id))] if key]
