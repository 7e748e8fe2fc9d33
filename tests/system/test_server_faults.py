"""The whole server profile under ingest, while each of its servers and processes is killed, paused, filled or cut off.

After each: nothing that was acknowledged is lost or doubled, chains verify, views equal the fold, search has all, and
everything recovers by itself.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx
import psycopg
import pytest

from tests.conftest import temporary_data_folder
from tests.kafka_repeater import every_record_twice
from tests.own_stack import OwnStack, own_stack
from tests.system.ingest import RECOVERED_S, Ingest
from tests.system.service import Service, installation, until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

PAUSE_S = 30.0
SPARE = frozenset({"opensearch", "redis"})
"""Mail and commands go on without them."""
CUTS = 30
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'"
)


class Site(NamedTuple):
    """An installation on servers of its own."""

    stack: OwnStack
    service: Service


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with (
        temporary_data_folder() as folder,
        own_stack(folder) as stack,
        installation(settings=stack.variables | {"LEDGERMAIL_KAFKA_PARTITIONS": "3"}) as service,
    ):
        service.start(within_s=120)
        yield Site(stack, service)
        assert service.stop()[0] == 0


@pytest.fixture
def site(running: Site) -> Site:
    """All of it running and ready, whatever the test before did to it."""
    until(lambda: is_ready(running.service), within_s=RECOVERED_S, what="all is ready")
    return running


def is_ready(service: Service) -> bool:
    try:
        answer = httpx.get(f"{service.url}/readyz", timeout=30, trust_env=False)
    except httpx.TransportError:
        return False
    return bool(answer.json() == {"status": "ready", "failing": []})


def under_ingest(site: Site, harm: Callable[[Ingest], None]) -> None:
    """Mail and commands before, during and after it, and all of them are there in the end."""
    ingest = Ingest(site.service)
    ingest.goes_on()
    harm(ingest)
    ingest.goes_on()
    ingest.assert_nothing_is_lost_or_doubled()
    until(lambda: is_ready(site.service), within_s=RECOVERED_S, what="all is ready again")
    ingest.assert_search_finds_the_last_mails()


@pytest.mark.parametrize("server", ["postgres", "kafka", "opensearch", "s3", "redis"])
def test_nothing_is_lost_or_doubled_though_a_server_is_killed_and_starts_again(site: Site, server: str) -> None:
    def kill(ingest: Ingest) -> None:
        site.stack.kill(server)
        if server in SPARE:
            ingest.goes_on()
        site.stack.start(server)

    under_ingest(site, kill)


@pytest.mark.parametrize("servers", [["postgres"], ["kafka"], ["s3"], ["opensearch", "redis"]], ids="+".join)
def test_nothing_is_lost_or_doubled_though_servers_do_not_answer_for_half_a_minute(
    site: Site, servers: list[str]
) -> None:
    def pause(_ingest: Ingest) -> None:
        for server in servers:
            site.stack.signal(server, signal.SIGSTOP)
        threading.Event().wait(PAUSE_S)
        for server in servers:
            site.stack.signal(server, signal.SIGCONT)

    under_ingest(site, pause)


def test_nothing_is_lost_or_doubled_though_each_process_is_killed(site: Site) -> None:
    def kill(ingest: Ingest) -> None:
        for role in sorted(site.service.children()):
            until(lambda: site.service.kill_child(role), within_s=30, what=f"{role} runs")  # noqa: B023
            ingest.goes_on(count=5)

    under_ingest(site, kill)


def test_a_redis_that_is_full_costs_nothing_but_speed(site: Site) -> None:
    def fill(ingest: Ingest) -> None:
        with site.stack.redis() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
            ingest.goes_on(count=50)
            client.config_set("maxmemory", "0")

    under_ingest(site, fill)


def test_a_redis_that_is_flushed_again_and_again_costs_nothing_but_speed(site: Site) -> None:
    def flush(ingest: Ingest) -> None:
        with site.stack.redis() as client:
            for _time in range(10):
                client.flushall()
                ingest.goes_on(count=5)

    under_ingest(site, flush)


def test_nothing_is_lost_or_doubled_though_connections_are_cut_in_the_middle_of_transactions(site: Site) -> None:
    def cut(_ingest: Ingest) -> None:
        with psycopg.connect(site.stack.variables["LEDGERMAIL_DATABASE_URL"], autocommit=True) as connection:
            done = [0]

            def again() -> bool:
                done[0] += len(connection.execute(CUT).fetchall())
                return done[0] >= CUTS

            until(again, within_s=RECOVERED_S, what="transactions are cut")

    under_ingest(site, cut)


def test_nothing_is_doubled_though_kafka_delivers_every_record_twice(site: Site) -> None:
    def repeat(ingest: Ingest) -> None:
        with site.service.parts() as parts:
            assert parts.kafka is not None
            with every_record_twice(parts.kafka) as repeater:
                ingest.goes_on(count=100)
                until(lambda: min(repeater.repeated.values()) > 20, within_s=RECOVERED_S, what="both topics repeat")

    under_ingest(site, repeat)
