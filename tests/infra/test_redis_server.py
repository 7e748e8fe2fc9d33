"""A Redis that goes away: nobody waits for it, and it is found again."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.buckets import MemoryBuckets
from infra.operator_errors import OperatorError
from infra.redis_server.buckets import RedisBuckets
from infra.redis_server.cache import LARGEST_BYTES, RedisCache
from infra.redis_server.server import RedisAwayError, RedisRefusedError, RedisServer
from tests.contracts.buckets import BucketsContract, Clock, OpenBuckets
from tests.contracts.cache import CacheContract
from tests.own_redis import OwnRedis, fresh_names, own_redis, shared_redis

pytestmark = pytest.mark.servers
PATIENCE_S = 20.0
ROOMY_S = 5.0
"""For a server that answers, on a machine that has other work, too."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnRedis]:
    with own_redis(tmp_path) as server:
        yield server


@pytest.fixture
def server(own: OwnRedis) -> Iterator[RedisServer]:
    made = RedisServer(own.variables["LEDGERMAIL_REDIS"], timeout_s=ROOMY_S)
    made.start()
    yield made
    made.close()


def wait_until_found(server: RedisServer) -> None:
    deadline, paused = time.monotonic() + PATIENCE_S, threading.Event()
    while server.is_away and time.monotonic() < deadline:
        paused.wait(0.02)
    server.check()


class TestRedisCache(CacheContract):
    @pytest.fixture
    def cache(self) -> Iterator[RedisCache]:
        with shared_redis() as server:
            yield RedisCache(server)

    def test_what_is_too_large_is_not_kept(self, cache: RedisCache, name: bytes) -> None:
        cache.put(name, bytes(LARGEST_BYTES + 1), for_s=60)
        assert cache.get(name) is None


class TestRedisBuckets(BucketsContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def open_buckets(self, clock: Clock) -> Iterator[OpenBuckets]:
        names = fresh_names()
        with shared_redis() as server:
            yield lambda: RedisBuckets(server, names, MemoryBuckets(clock_ms=clock), clock_ms=clock)


def test_a_server_that_was_started_anew_is_asked_again_without_a_miss(own: OwnRedis, server: RedisServer) -> None:
    own.kill()
    own.start()
    assert server.ask("PING") == b"PONG"
    assert not server.is_away


def test_while_it_is_away_everybody_is_told_so_and_afterwards_it_is_found(own: OwnRedis, server: RedisServer) -> None:
    own.kill()
    for _ in range(3):
        with pytest.raises(RedisAwayError):
            server.ask("PING")
    own.start()
    wait_until_found(server)
    assert server.ask("PING") == b"PONG"


def test_of_a_halted_server_one_call_waits_and_no_other(own: OwnRedis) -> None:
    server = RedisServer(own.variables["LEDGERMAIL_REDIS"])
    own.signal(signal.SIGSTOP)
    with pytest.raises(RedisAwayError):
        server.ask("PING")
    for _ in range(1000):
        with pytest.raises(RedisAwayError, match="lately"):
            server.ask("PING")
    assert server.is_away
    own.signal(signal.SIGCONT)
    wait_until_found(server)
    server.close()


def test_a_full_server_keeps_nothing_and_is_not_taken_for_away(own: OwnRedis, server: RedisServer) -> None:
    cache = RedisCache(server)
    cache.put(b"before", b"value", for_s=60)
    own.fill()
    cache.put(b"after", b"value", for_s=60)
    assert (cache.get(b"before"), cache.get(b"after")) == (b"value", None)
    with pytest.raises(RedisRefusedError):
        server.ask("SET", "after", "value")
    assert not server.is_away
    own.drain()
    cache.put(b"after", b"value", for_s=60)
    assert cache.get(b"after") == b"value"


def test_commands_sent_together_are_answered_in_their_order(server: RedisServer) -> None:
    assert server.ask_together([("SET", "a", "1"), ("GET", "a"), ("DEL", "a"), ("GET", "a")]) == [b"OK", b"1", 1, None]


def test_a_refusal_among_commands_leaves_no_answer_for_the_next(server: RedisServer) -> None:
    with pytest.raises(RedisRefusedError):
        server.ask_together([("SET", "a", "1"), ("INCR", "a", "b"), ("GET", "a")])
    assert server.ask("GET", "a") == b"1"


def test_a_start_while_it_is_away_is_none_to_refuse(own: OwnRedis) -> None:
    url = own.variables["LEDGERMAIL_REDIS"]
    own.stop()
    server = RedisServer(url, timeout_s=ROOMY_S)
    server.start()
    assert server.is_away
    own.start()
    wait_until_found(server)
    server.close()


def test_a_wrong_password_stops_the_start_with_one_line_that_does_not_show_it(own: OwnRedis) -> None:
    host = own.variables["LEDGERMAIL_REDIS"].rpartition("@")[2]
    with pytest.raises(OperatorError, match=r"^[^\n]*refuses the password[^\n]*$") as refused:
        RedisServer(f"redis://:guessed@{host}", timeout_s=ROOMY_S).start()
    assert "guessed" not in str(refused.value)


def test_a_user_who_may_nothing_stops_the_start_with_one_line(own: OwnRedis) -> None:
    with own.client as client:
        client.acl_setuser("mail", enabled=True, passwords=["+word"], keys=["*"], commands=["-@all"])
    host = own.variables["LEDGERMAIL_REDIS"].rpartition("@")[2]
    with pytest.raises(OperatorError, match=r"^[^\n]*(does not serve us|refuses)[^\n]*$"):
        RedisServer(f"redis://mail:word@{host}", timeout_s=ROOMY_S).start()
