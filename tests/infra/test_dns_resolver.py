"""The resolver beside a real DNS on loopback: what it finds and remembers, how it fares with one that is no help."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from gateways.authentication.dns import Answer, DnsTemporaryError
from infra.dns_memory import FAILURE_S, MAX_BYTES, DnsMemory
from infra.dns_resolver import MAX_AT_ONCE, MAX_RECORDS, DnsResolver, system_resolver
from infra.settings_readers import ListenAddress
from tests.dns_zone import GARBAGE, HANG, SERVFAIL, STRANGER, Zone, serving

T = TypeVar("T")


@pytest.fixture
def zone() -> Zone:
    return Zone(
        {
            "text.test": [("TXT", ["v=spf1 ", "-all"]), ("TXT", b"\xff")],
            "host.test": [("A", "192.0.2.1"), ("A", "192.0.2.2"), ("AAAA", "2001:db8::1"), ("MX", (10, "mx.test"))],
            "null.test": [("MX", (0, "."))],
            "alias.test": [("CNAME", "host.test")],
            "loop.test": [("CNAME", "loop.test")],
            "1.2.0.192.in-addr.arpa": [("PTR", "host.test")],
            "hangs.test": [(HANG, None)],
            "fails.test": [(SERVFAIL, None)],
            "garbled.test": [(GARBAGE, None)],
            "forged.test": [(STRANGER, None), ("A", "192.0.2.66")],
            "large.test": [("TXT", "x" * 3000)],
            "many.test": [("A", f"192.0.2.{last}") for last in range(1, 255)],
        }
    )


@pytest.fixture
def server(zone: Zone) -> Iterator[ListenAddress]:
    with serving(zone) as address:
        yield address


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def resolver(server: ListenAddress, clock: list[float]) -> DnsResolver:
    return DnsResolver(server, tries_s=(10.0,), clock_s=lambda: clock[0])


@pytest.fixture
def impatient(server: ListenAddress) -> DnsResolver:
    """One that soon gives up: for names of which no answer comes."""
    return DnsResolver(server, tries_s=(0.2,))


def run(asking: Coroutine[Any, Any, T]) -> T:
    return uvloop.run(asking)


def test_the_strings_of_a_text_are_joined_and_octets_stay_as_they_are(resolver: DnsResolver) -> None:
    assert sorted(run(resolver.txt("text.test")).records) == [b"v=spf1 -all", b"\xff"]


def test_addresses_mail_hosts_and_names_are_found(resolver: DnsResolver) -> None:
    assert sorted(run(resolver.addresses("Host.Test.", version=4)).records) == ["192.0.2.1", "192.0.2.2"]
    assert run(resolver.addresses("host.test", version=6)).records == ("2001:db8::1",)
    assert run(resolver.mail_hosts("host.test")).records == ((10, "mx.test"),)
    assert run(resolver.mail_hosts("null.test")).records == ((0, ""),)
    assert run(resolver.names("192.0.2.1")).records == ("host.test",)


def test_an_alias_is_followed_and_one_that_leads_to_itself_is_an_error(resolver: DnsResolver) -> None:
    assert len(run(resolver.addresses("alias.test", version=4)).records) == 2
    with pytest.raises(DnsTemporaryError):
        run(resolver.addresses("loop.test", version=4))


def test_no_such_name_is_told_apart_from_no_such_record(resolver: DnsResolver) -> None:
    assert run(resolver.txt("nowhere.test")) == Answer(exists=False)
    assert run(resolver.txt("host.test")) == Answer(exists=True)


@pytest.mark.parametrize("name", ["", "a..test", "x" * 64 + ".test", "a." * 127 + "test", "bücher.test"])
def test_a_name_that_cannot_be_is_asked_of_nobody(resolver: DnsResolver, zone: Zone, name: str) -> None:
    assert run(resolver.txt(name)) == Answer(exists=False)
    assert zone.asked == []


@pytest.mark.parametrize("name", ["hangs.test", "fails.test", "garbled.test", "forged.test"])
def test_what_is_no_answer_is_a_temporary_error(impatient: DnsResolver, name: str) -> None:
    with pytest.raises(DnsTemporaryError):
        run(impatient.addresses(name, version=4))


def test_a_question_that_failed_is_asked_again_only_after_a_moment(
    resolver: DnsResolver, zone: Zone, clock: list[float]
) -> None:
    for _time in range(3):
        with pytest.raises(DnsTemporaryError):
            run(resolver.txt("fails.test"))
    assert len(zone.asked) == 1
    clock[0] += FAILURE_S
    zone.put("fails.test", [("TXT", "mended")])
    assert run(resolver.txt("fails.test")).records == (b"mended",)


def test_nobody_listening_is_a_temporary_error() -> None:
    with serving(Zone()) as address:
        gone = address
    with pytest.raises(DnsTemporaryError):
        run(DnsResolver(gone, tries_s=(0.1, 0.1)).txt("text.test"))


def test_an_answer_too_large_for_a_packet_comes_over_tcp(resolver: DnsResolver, zone: Zone) -> None:
    assert run(resolver.txt("large.test")).records == (b"x" * 3000,)
    assert len(zone.asked) == 2


def test_of_very_many_records_only_so_many_are_taken(resolver: DnsResolver) -> None:
    assert len(run(resolver.addresses("many.test", version=4)).records) == MAX_RECORDS


def test_an_answer_is_remembered_for_its_time_to_live(resolver: DnsResolver, zone: Zone, clock: list[float]) -> None:
    run(resolver.txt("text.test"))
    clock[0] += 299
    run(resolver.txt("TEXT.test"))
    assert len(zone.asked) == 1
    clock[0] += 2
    run(resolver.txt("text.test"))
    assert len(zone.asked) == 2


def test_the_same_question_asked_by_many_at_once_is_sent_once(resolver: DnsResolver, zone: Zone) -> None:
    async def many() -> list[Answer[bytes]]:
        return await asyncio.gather(*(resolver.txt("text.test") for _ in range(50)))

    assert {len(answer.records) for answer in run(many())} == {2}
    assert len(zone.asked) == 1


def test_more_questions_than_may_be_under_way_are_all_answered(server: ListenAddress, zone: Zone) -> None:
    resolver = DnsResolver(server, tries_s=(20.0,) * 5)  # a packet may be lost where 256 come at once
    names = [f"n{number}.test" for number in range(MAX_AT_ONCE + 40)]

    async def many() -> list[Answer[bytes]]:
        return await asyncio.gather(*(resolver.txt(name) for name in names))

    assert run(many()) == [Answer(exists=False)] * len(names)
    assert {name for name, _ in zone.asked} == set(names)


def test_who_gives_up_takes_the_answer_from_nobody_else(resolver: DnsResolver) -> None:
    async def one_gives_up() -> Answer[bytes]:
        impatient = asyncio.create_task(resolver.txt("text.test"))
        patient = asyncio.create_task(resolver.txt("text.test"))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert len(run(one_gives_up()).records) == 2


def test_dnssec_is_believed_of_a_resolver_on_loopback(resolver: DnsResolver, zone: Zone) -> None:
    assert not run(resolver.txt("text.test")).authenticated
    zone.says_authenticated = True
    assert run(resolver.addresses("host.test", version=4)).authenticated


def test_memory_is_bounded_and_the_longest_unasked_goes_first() -> None:
    memory, a_quarter = DnsMemory(lambda: 0.0), MAX_BYTES // 4
    for name in (b"a", b"b", b"c", b"d"):
        memory.keep(name, 16, Answer((name,)), ttl_s=60, size_bytes=a_quarter)  # type: ignore[arg-type]
    memory.recall(b"a", 16)  # type: ignore[arg-type]
    memory.keep(b"e", 16, Answer((b"e",)), ttl_s=60, size_bytes=a_quarter)  # type: ignore[arg-type]
    assert [memory.recall(name, 16) is not None for name in (b"a", b"b", b"c", b"e")] == [True, False, True, True]  # type: ignore[arg-type]


def test_the_system_s_resolver_is_the_first_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("search test\nnameserver nonsense\nnameserver 2001:db8::53\nnameserver 192.0.2.53\n")
    assert system_resolver(str(file)) == ListenAddress("2001:db8::53", 53)
    assert system_resolver(str(tmp_path / "none")) == ListenAddress("127.0.0.1", 53)
