"""What tokens stood for a moment ago: in this process's memory, and shared in a Redis."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.accounts.known_tokens import REMEMBERED, RememberedTokens
from infra.caches.names import Names
from infra.redis_server.known_tokens import BELIEVED_MS, RedisTokens
from infra.redis_server.server import RedisServer
from tests.contracts.known_tokens import ANN, BOB, Clock, KnownTokensContract, OpenKnown, asked, long_before
from tests.own_redis import fresh_names, own_redis, shared_redis

KEY = bytes(32)


class TestRememberedTokens(KnownTokensContract):
    @pytest.fixture
    def open_known(self) -> OpenKnown:
        return lambda clock: RememberedTokens(clock_s=clock)

    def test_a_flood_of_tokens_costs_bounded_memory_and_the_last_are_known(self) -> None:
        known = RememberedTokens(clock_s=Clock())
        for number in range(2 * REMEMBERED):
            key = b"%d" % number
            known.note(key, ANN, asked(known, key))
            assert known.find(key) == ANN
        assert len(known._known) <= REMEMBERED


@pytest.fixture
def names() -> Names:
    return fresh_names()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with shared_redis() as made:
        yield made


@pytest.mark.servers
class TestRedisTokens(KnownTokensContract):
    @pytest.fixture
    def open_known(self, server: RedisServer, names: Names) -> OpenKnown:
        return lambda clock: RedisTokens(server, names, key=KEY, own=RememberedTokens(clock_s=clock))

    def test_what_one_process_found_another_knows(self, open_known: OpenKnown, key: bytes) -> None:
        one, other = open_known(Clock()), open_known(Clock())
        one.note(key, ANN, asked(one, key))
        assert other.find(key) == ANN

    def test_what_ended_in_one_process_is_refused_an_old_answer_in_another(
        self,
        open_known: OpenKnown,
        key: bytes,
    ) -> None:
        one, other, third = open_known(Clock()), open_known(Clock()), open_known(Clock())
        began = asked(other, key)
        one.forget([key])
        other.note(key, ANN, began)
        asked(third, key)

    def test_an_answer_that_was_halted_on_its_way_is_dead_when_it_comes(
        self,
        open_known: OpenKnown,
        key: bytes,
    ) -> None:
        one, other = open_known(Clock()), open_known(Clock())
        one.note(key, ANN, long_before(asked(one, key)))
        asked(other, key)

    def test_what_is_known_of_another_process_is_believed_no_longer_than_there(
        self, server: RedisServer, names: Names, open_known: OpenKnown, key: bytes
    ) -> None:
        clock = Clock()
        one, own = open_known(Clock()), RememberedTokens(clock_s=clock)
        began = asked(one, key)
        assert began.shared_ms is not None
        one.note(key, ANN, began._replace(shared_ms=began.shared_ms - BELIEVED_MS // 2))
        RedisTokens(server, names, key=KEY, own=own).find(key)
        clock.now_s += BELIEVED_MS / 2000
        asked(own, key)

    def test_nobody_can_make_an_entry_or_put_one_in_anothers_place(
        self, server: RedisServer, names: Names, open_known: OpenKnown
    ) -> None:
        mine, anns = b"m" * 32, b"a" * 32
        known, attacked = open_known(Clock()), open_known(Clock())
        known.note(mine, BOB, asked(known, mine))
        sealed = server.ask("GET", names.of("session", mine))
        for forged in (sealed, b"\x92", b"x" * 100):
            server.ask("SET", names.of("session", anns), forged or b"-")
            asked(attacked, anns)

    def test_what_lies_there_names_nobody(self, server: RedisServer, names: Names, open_known: OpenKnown) -> None:
        token = b"t" * 32
        known = open_known(Clock())
        known.note(token, ANN, asked(known, token))
        sealed = server.ask("GET", names.of("session", token)) or b""
        assert b"ann" not in sealed
        assert token.hex().encode() not in names.of("session", token)


@pytest.mark.servers
def test_without_the_server_tokens_are_known_by_this_process_and_ended_ones_are_not(tmp_path: Path) -> None:
    key = b"k" * 32
    with own_redis(tmp_path) as own:
        server = RedisServer(own.variables["LEDGERMAIL_REDIS"])
        known = RedisTokens(server, fresh_names(), key=KEY)
        own.signal(signal.SIGSTOP)
        began = asked(known, key)
        assert began.shared_ms is None
        known.note(key, ANN, began)
        assert known.find(key) == ANN
        known.forget([key])
        own.signal(signal.SIGCONT)
        asked(known, key)
        server.close()
