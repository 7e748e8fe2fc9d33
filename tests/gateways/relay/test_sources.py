"""Which of our addresses mail leaves from, stream by stream, and how a new one is warmed up."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest

from gateways.relay.sources import Leaving, Source, Sources, next_day_ms
from infra.relay.allowance import PostgresAllowance
from tests.gateways.relay.attempts import Attempts
from tests.smtp_sink import Sink

MONDAY = date(2026, 11, 30)
OLD, NEW = Source("192.0.2.1"), Source("192.0.2.2", MONDAY)


class Counted:
    """The port `Allowance`, of one process."""

    def __init__(self) -> None:
        self.mails = 0

    async def take(self, address: str, day: date, most: int) -> bool:
        may_leave = self.mails < most
        self.mails += may_leave
        return may_leave


@pytest.mark.parametrize(
    ("days", "most"), [(-1, 0), (0, 50), (1, 50), (2, 100), (13, 3_200), (26, 409_600), (27, 409_600), (28, None)]
)
def test_a_new_address_sends_twice_as_many_every_second_day_for_four_weeks(days: int, most: int | None) -> None:
    assert NEW.most(MONDAY + timedelta(days)) == most
    assert OLD.most(MONDAY) is None


def left(sources: Sources, stream: str, times: int, day: date = MONDAY) -> list[Leaving | None]:
    async def all_of_them() -> list[Leaving | None]:
        return [await sources.of(stream, day) for _ in range(times)]

    return asyncio.run(all_of_them())


def test_what_a_new_address_may_not_send_leaves_from_one_that_is_known() -> None:
    found = left(Sources({"bulk": [OLD, NEW]}, Counted()), "bulk", 60)
    assert [one.ipv4 if one else None for one in found].count("192.0.2.1") == 10


def test_where_all_addresses_are_new_the_rest_waits_for_the_next_day() -> None:
    sources = Sources({"bulk": [NEW]}, Counted())
    assert left(sources, "bulk", 60)[50:] == [None] * 10
    assert next_day_ms(86_400_000 * 3 + 5) == 86_400_000 * 4


def test_a_stream_without_addresses_leaves_as_the_system_chooses_and_replies_as_personal_mail() -> None:
    sources = Sources({"personal": [OLD]}, Counted())
    assert left(sources, "transactional", 1) == [Leaving()]
    assert left(sources, "vacation", 1) == left(sources, "", 1) == [Leaving("192.0.2.1")]


def test_a_stream_never_leaves_towards_a_family_for_which_it_has_no_address() -> None:
    leaving = Leaving(ipv4="192.0.2.1")
    assert (leaving.reaches("198.51.100.1"), leaving.reaches("2001:db8::1")) == (True, False)
    assert Leaving().reaches("2001:db8::1")


def test_relays_share_the_allowance_of_a_day(database_url: str) -> None:
    def connect() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(database_url, autocommit=True)

    async def given() -> list[int]:
        with ThreadPoolExecutor(2) as executor:
            relays = [PostgresAllowance(connect, executor) for _ in range(2)]
            tried = [(relay, day) for day in (MONDAY, MONDAY + timedelta(1)) for _ in range(40) for relay in relays]
            took = [(day, await relay.take("192.0.2.2", day, 50)) for relay, day in tried]
            return [sum(ok for its, ok in took if its == day) for day in (MONDAY, MONDAY + timedelta(1))]

    assert asyncio.run(given()) == [50, 50]


def test_a_host_sees_the_address_of_the_stream(attempts: Attempts, sink: Sink) -> None:
    attempts.leaving = Leaving(ipv4="127.0.0.77")
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert sink.peers == ["127.0.0.77"]


def test_a_host_that_the_stream_does_not_reach_defers(attempts: Attempts, sink: Sink) -> None:
    attempts.leaving = Leaving(ipv6="::1")
    (outcome,) = attempts.to("zoe@far.test").outcomes.values()
    assert (outcome.status, outcome.reply[:9], sink.connections) == ("deferred", "451 4.4.1", 0)
