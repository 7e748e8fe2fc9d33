"""How often anybody may connect: to this process, and to all that share a Redis."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gateways.smtp.admission import OwnRate
from infra.redis_server.connection_rate import SharedRate
from infra.redis_server.server import RedisServer
from tests.contracts.connection_rate import PER_S, ConnectionRateContract, OpenRate, admitted
from tests.own_redis import fresh_names, own_redis, shared_redis


class TestOwnRate(ConnectionRateContract):
    @pytest.fixture
    def open_rate(self) -> OpenRate:
        return lambda: OwnRate(PER_S)


@pytest.mark.servers
class TestSharedRate(ConnectionRateContract):
    @pytest.fixture
    def open_rate(self) -> Iterator[OpenRate]:
        names = fresh_names()
        with ExitStack() as stack:
            server = stack.enter_context(shared_redis())
            yield lambda: stack.enter_context(
                closing(
                    SharedRate(
                        server,
                        names,
                        "smtp",
                        per_s=PER_S,
                        own=OwnRate(PER_S),
                        gather_s=3600,
                        clock_ms=lambda: 1_000_000,
                    )
                )
            )

    def test_what_two_processes_admitted_together_both_know_once_they_shared(self, open_rate: OpenRate) -> None:
        one, other = open_rate(), open_rate()
        assert isinstance(one, SharedRate)
        assert isinstance(other, SharedRate)
        for rate in (one, other):
            assert admitted(rate, "192.0.2.1", now_s=1000.0, times=PER_S // 2 + 3) == PER_S // 2 + 3
        for rate in (one, other):
            rate.share()
        for rate in (one, other):
            rate.admits("192.0.2.1", now_s=1000.0)
            rate.share()
        assert (admitted(one, "192.0.2.1", now_s=1000.0), admitted(other, "192.0.2.1", now_s=1000.0)) == (0, 0)
        assert admitted(one, "192.0.2.2", now_s=1000.0) == PER_S


@pytest.mark.servers
def test_while_redis_is_halted_each_process_goes_by_its_own_count(tmp_path: Path) -> None:
    with own_redis(tmp_path) as own, closing(RedisServer(own.variables["LEDGERMAIL_REDIS"])) as server:
        with closing(SharedRate(server, fresh_names(), "smtp", per_s=PER_S, own=OwnRate(PER_S))) as rate:
            own.signal(signal.SIGSTOP)
            for second in range(1000, 1003):
                assert admitted(rate, "192.0.2.1", now_s=second) == PER_S
                rate.share()
        own.signal(signal.SIGCONT)
