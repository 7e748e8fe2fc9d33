"""Telling of heads by way of a Redis: as by NOTIFY, with which it goes on where the Redis does not."""

import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from domain.ids import MailboxId
from infra.accounts.ended_sessions import tell_ended
from infra.accounts.endings import Endings
from infra.redis_server.connection import Connection
from infra.redis_server.fan_out import RedisListener, RedisTeller
from infra.redis_server.server import RedisServer
from infra.wakes import Announcer, Heads, Listener, PostgresTeller
from tests.contracts.wakes import PATIENCE_S, Ears, OpenAnnouncer, OpenListener, WakesContract
from tests.own_redis import OwnRedis, fresh_names, own_redis, shared_redis

pytestmark = pytest.mark.servers
KEY = bytes(32)


class NothingBefore:
    """Nothing must be caught up with."""

    def catch_up(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnRedis]:
    with own_redis(tmp_path) as server:
        yield server


class Counted(RedisServer):
    """Tells when a connection is opened."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_s=1.0)
        self.opened = threading.Semaphore(0)

    def connection(self) -> Connection:
        self.opened.release()
        return super().connection()


@pytest.fixture
def server(own: OwnRedis) -> Iterator[Counted]:
    with closing(Counted(own.variables["LEDGERMAIL_REDIS"])) as made:
        yield made


class TestRedisFanOut(WakesContract):
    @pytest.fixture
    def shared(self) -> Iterator[RedisServer]:
        with shared_redis() as server:
            yield server

    @pytest.fixture
    def channel(self) -> bytes:
        return fresh_names().of("heads")

    @pytest.fixture
    def open_announcer(self, shared: RedisServer, channel: bytes) -> OpenAnnouncer:
        return lambda: closing(Announcer(RedisTeller(shared, channel, key=KEY)))

    @pytest.fixture
    def open_listener(self, shared: RedisServer, channel: bytes) -> OpenListener:
        return lambda hear, gap: closing(RedisListener(shared, channel, hear, gap, key=KEY, before=NothingBefore()))


def test_where_nobody_hears_or_it_is_away_heads_go_by_notify(
    own: OwnRedis, server: RedisServer, database_url: str
) -> None:
    ears = Ears()
    tellers = RedisTeller(server, b"heads", key=KEY), PostgresTeller(database_url)
    with closing(Listener(database_url, ears.hear, ears.gap)), closing(Announcer(*tellers)) as announcer:
        ears.wait_for(lambda one: one.gaps > 0)
        announcer.announce([(MailboxId("m1"), 1)])
        ears.wait_for(lambda one: one.heads == {"m1": 1})
        for head, number in enumerate((signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL), start=2):
            own.signal(number)
            announcer.announce([(MailboxId("m1"), head)])
            ears.wait_for(lambda one, told=head: one.heads == {"m1": told})  # type: ignore[misc]


def test_a_listener_finds_the_server_again_and_asks_for_what_it_missed(own: OwnRedis, server: RedisServer) -> None:
    ears = Ears()
    with closing(RedisListener(server, b"heads", ears.hear, ears.gap, key=KEY, before=NothingBefore())):
        ears.wait_for(lambda one: one.gaps == 1)
        own.kill()
        own.start()
        ears.wait_for(lambda one: one.gaps == 2)
        RedisTeller(server, b"heads", key=KEY).tell(["m1:5"])
        ears.wait_for(lambda one: one.heads == {"m1": 5})


def test_a_connection_on_which_nothing_more_comes_is_made_anew(own: OwnRedis, server: Counted) -> None:
    ears = Ears()
    with closing(RedisListener(server, b"heads", ears.hear, ears.gap, key=KEY, before=NothingBefore(), turn_s=0.05)):
        ears.wait_for(lambda one: one.gaps == 1)
        while server.opened.acquire(blocking=False):
            pass
        own.signal(signal.SIGSTOP)
        assert server.opened.acquire(timeout=PATIENCE_S)
        own.signal(signal.SIGCONT)
        ears.wait_for(lambda one: one.gaps == 2)
        RedisTeller(server, b"heads", key=KEY).tell(["m1:5"])
        ears.wait_for(lambda one: one.heads == {"m1": 5})


def test_a_connection_that_is_only_quiet_is_kept(own: OwnRedis, server: Counted) -> None:
    ears, pause = Ears(), threading.Event()
    with (
        closing(RedisListener(server, b"heads", ears.hear, ears.gap, key=KEY, before=NothingBefore(), turn_s=0.05)),
        own.client as client,
    ):
        ears.wait_for(lambda one: one.gaps == 1)
        pings = client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]
        while client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] < pings + 3:
            pause.wait(0.05)
        RedisTeller(server, b"heads", key=KEY).tell(["m1:5"])
        ears.wait_for(lambda one: one.heads == {"m1": 5})
    assert ears.gaps == 1


def test_a_session_that_ended_before_a_head_is_told_of_is_heard_of_before_it(
    own: OwnRedis, server: RedisServer, database_url: str
) -> None:
    heard: list[str] = []
    ears = Ears()

    def hear(heads: Heads) -> None:
        heard.extend(f"head {mailbox_id}" for mailbox_id, _ in heads)
        ears.hear(heads)

    endings = Endings(database_url, lambda account_id: heard.append(f"ended {account_id}"), lambda: None)
    with (
        closing(RedisListener(server, b"heads", hear, ears.gap, key=KEY, before=endings)),
        closing(Announcer(RedisTeller(server, b"heads", key=KEY))) as announcer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        ears.wait_for(lambda one: one.gaps == 1)
        for number in range(200):
            with connection.transaction():
                tell_ended(connection, f"a{number}")
            announcer.announce([(MailboxId(f"m{number}"), 1)])
            if number % 10 == 0:
                ears.wait_for(lambda one, told=number: MailboxId(f"m{told}") in one.heads)  # type: ignore[misc]
        ears.wait_for(lambda one: len(one.heads) == 200)
    for number in range(200):
        assert heard.index(f"ended a{number}") < heard.index(f"head m{number}")


def test_heads_are_not_handed_on_while_endings_cannot_be_heard(own: OwnRedis, server: RedisServer) -> None:
    asked = threading.Semaphore(0)

    class Away:
        def catch_up(self) -> None:
            asked.release()
            raise psycopg.OperationalError("away")

        def close(self) -> None:
            """Nothing."""

    ears = Ears()
    with closing(RedisListener(server, b"heads", ears.hear, ears.gap, key=KEY, before=Away())):
        assert asked.acquire(timeout=PATIENCE_S)
        assert asked.acquire(timeout=PATIENCE_S)
    assert (ears.gaps, ears.heads) == (0, {})


def test_what_somebody_else_tells_is_passed_over(own: OwnRedis, server: RedisServer) -> None:
    ears = Ears()
    with (
        closing(RedisListener(server, b"heads", ears.hear, ears.gap, key=KEY, before=NothingBefore())),
        own.client as client,
    ):
        ears.wait_for(lambda one: one.gaps == 1)
        for forged in (b"", b"m1:99", b"m1:9", bytes(200)):
            client.publish(b"heads", forged)
        RedisTeller(server, b"heads", key=b"x" * 32).tell(["m1:99"])
        RedisTeller(server, b"heads", key=KEY).tell(["m1:5"])
        ears.wait_for(lambda one: one.heads == {"m1": 5})
    assert ears.gaps == 1
