"""Block and allow lists (RFC 5782) and greylisting (RFC 6647) at a real door, with a real DNS on loopback."""

import asyncio
import smtplib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from domain.ids import new_id
from gateways.reputation.dns_lists import DnsLists, reverse_name
from gateways.smtp.host import Host
from gateways.smtp.server import SmtpServer
from gateways.smtp.standing import Standing
from infra.dns_resolver import DnsResolver
from infra.greylist import AGAIN_MS, KEPT_MS, WAIT_MS, PostgresGreylist
from infra.settings_readers import ListenAddress
from tests.dns_zone import SERVFAIL, Zone, serving
from tests.post_office import PostOffice, post_office

LISTED = [("A", "127.0.0.2")]


def looked_up(zone: Zone, address: str, *, block: tuple[str, ...] = ("bl.test",), allow: tuple[str, ...] = ()) -> str:
    with serving(zone) as server:

        async def look() -> Standing:
            return await DnsLists(DnsResolver(server), block=block, allow=allow).look(address)

        return asyncio.run(look()).listed_by


def test_an_address_is_listed_by_the_first_zone_that_names_it() -> None:
    zone = Zone({"9.113.0.203.second.test": LISTED, "9.113.0.203.third.test": LISTED})
    assert looked_up(zone, "203.0.113.9", block=("first.test", "second.test", "third.test")) == "second.test"


def test_an_ipv6_address_is_asked_for_by_its_nibbles() -> None:
    assert reverse_name("2001:db8::1") == ".".join("1" + "0" * 23 + "8bd01002")
    assert looked_up(Zone({f"{reverse_name('2001:db8::1')}.bl.test": LISTED}), "2001:db8::1") == "bl.test"


def test_whom_an_allow_list_names_no_block_list_shuts_out() -> None:
    zone = Zone({"9.113.0.203.bl.test": LISTED, "9.113.0.203.wl.test": LISTED})
    assert looked_up(zone, "203.0.113.9", allow=("wl.test",)) == ""


@pytest.mark.parametrize("records", [[("A", "127.255.255.254")], [("A", "203.0.113.1")], [(SERVFAIL, None)], []])
def test_a_list_that_fails_or_answers_otherwise_lists_nobody(records: list[tuple[str, object]]) -> None:
    assert looked_up(Zone({"9.113.0.203.bl.test": records}), "203.0.113.9") == ""


def test_private_addresses_are_not_told_to_anybody() -> None:
    zone = Zone()
    assert looked_up(zone, "10.1.2.3") == ""
    assert zone.asked == []


@contextmanager
def door(office: PostOffice, server: ListenAddress, *, greylisting: str = "off") -> Iterator[SmtpServer]:
    """A server before which the list is asked."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with ThreadPoolExecutor(4) as pool:
        keeper = DnsLists(DnsResolver(server), block=("bl.test",), allow=())
        host = Host(hostname="mx.example.test", new_acceptance_id=lambda: new_id("a"), greylisting=greylisting)
        greylist = PostgresGreylist(office.pool.connection, clock_ms=office.now_ms)
        smtp = SmtpServer(host, reception=office.reception, executor=pool, doorkeeper=keeper, greylist=greylist)
        asyncio.run_coroutine_threadsafe(smtp.listen("127.0.0.1", 0), loop).result(60)
        yield smtp
        asyncio.run_coroutine_threadsafe(smtp.stop(deadline_s=5), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as made:
        made.open_mailbox("m1", "ann@example.test")
        made.open_mailbox("m2", "postmaster@example.test")
        yield made


def test_a_listed_client_is_refused_before_data_and_may_write_to_postmaster(office: PostOffice) -> None:
    zone = Zone({"1.0.0.127.bl.test": LISTED})
    with serving(zone) as server, door(office, server) as smtp, smtplib.SMTP(*smtp.addresses[0], timeout=60) as client:
        client.ehlo()
        client.mail("writer@elsewhere.test")
        assert client.rcpt("ann@example.test") == (550, b"5.7.1 Your address is listed by bl.test")
        assert client.rcpt("postmaster@example.test")[0] == 250
    assert zone.asked.count(("1.0.0.127.bl.test", "A")) == 1


def test_a_client_that_nobody_lists_is_let_in(office: PostOffice) -> None:
    with (
        serving(Zone()) as server,
        door(office, server) as smtp,
        smtplib.SMTP(*smtp.addresses[0], timeout=60) as client,
    ):
        client.ehlo()
        client.mail("writer@elsewhere.test")
        assert client.rcpt("ann@example.test")[0] == 250


def reply_to(smtp: SmtpServer, sender: str) -> int:
    """What a client is told that sends to Ann."""
    with smtplib.SMTP(*smtp.addresses[0]) as client:
        client.ehlo()
        client.mail(sender)
        return client.rcpt("ann@example.test")[0]


def test_who_is_new_is_asked_to_come_again_and_then_known(office: PostOffice) -> None:
    now = [1_000_000_000]
    office.now_ms = lambda: now[0]
    with serving(Zone()) as server, door(office, server, greylisting="on") as smtp:
        assert [reply_to(smtp, "a@x.test"), reply_to(smtp, "a@x.test")] == [451, 451]
        now[0] += WAIT_MS
        assert [reply_to(smtp, "a@x.test"), reply_to(smtp, "b@x.test")] == [250, 451]
        now[0] += KEPT_MS
        assert reply_to(smtp, "a@x.test") == 250
        now[0] += AGAIN_MS + 1
        assert reply_to(smtp, "b@x.test") == 451


@pytest.mark.parametrize(("records", "code"), [([], 451), ([("PTR", "mail.elsewhere.test")], 250)])
def test_where_only_the_suspicious_are_asked_who_has_a_name_is_let_in(
    office: PostOffice, records: list[tuple[str, object]], code: int
) -> None:
    zone = Zone({"1.0.0.127.in-addr.arpa": records})
    with serving(zone) as server, door(office, server, greylisting="suspicious") as smtp:
        assert reply_to(smtp, "a@x.test") == code
