"""Mail from the wire to the mailbox, authenticated on the way, with a real DNS on loopback."""

import asyncio
import smtplib
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import uvloop

from domain.events import MessageDelivered
from domain.ids import MailboxId, new_id
from gateways.authentication.evidence import Evidence
from gateways.screening import Arrival, Screener, Screening
from gateways.smtp.host import Dialect, Host
from gateways.smtp.server import SmtpServer
from infra.authentication import screener
from infra.settings import load
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.dns_zone import HANG, Zone, serving
from tests.post_office import PostOffice, post_office

MAIL = "From: info@{author}\r\nTo: ann@example.test\r\nSubject: hi\r\nMessage-ID: <{author}@x>\r\n\r\nHow are you?\r\n"
FORGED = "Authentication-Results: mx.example.test; dmarc=pass header.from={author}\r\n"
ZONE = {
    "honest.test": [("TXT", "v=spf1 ip4:127.0.0.1 -all")],
    "_dmarc.honest.test": [("TXT", "v=DMARC1; p=reject")],
    "_dmarc.bank.test": [("TXT", "v=DMARC1; p=reject")],
    "_dmarc.shop.test": [("TXT", "v=DMARC1; p=quarantine")],
    "hangs.test": [(HANG, None)],
}


class Broken:
    """Somebody who looks at mail and fails."""

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        raise RuntimeError("broken")


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as made:
        made.open_mailbox("m1", "ann@example.test")
        yield made


@pytest.fixture
def zone() -> Zone:
    return Zone(ZONE)


@pytest.fixture
def looks(zone: Zone) -> Iterator[Screener]:
    with serving(zone) as server:
        yield screener(load({"LEDGERMAIL_DNS": str(server)}))


class Door:
    """A running server before the post office."""

    def __init__(self, office: PostOffice, looks: Screener, dialect: Dialect = Dialect.SMTP) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._pool = ThreadPoolExecutor(4)
        host = Host(hostname="mx.example.test", new_acceptance_id=lambda: new_id("a"), dialect=dialect)
        self.server = SmtpServer(host, reception=office.reception, executor=self._pool, screener=looks)
        self.reports: list[BaseException] = []
        self._loop.set_exception_handler(lambda _loop, context: self.reports.append(context["exception"]))
        self._do(self.server.listen("127.0.0.1", 0))

    def _do(self, asked: object) -> None:
        asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)  # type: ignore[arg-type]

    def send(self, author: str, *, before: str = "") -> tuple[int, str]:
        """The reply to the content of a mail of this author."""
        kind = smtplib.LMTP if self.server.host.dialect is Dialect.LMTP else smtplib.SMTP
        with kind(*self.server.addresses[0], timeout=60) as client:
            client.ehlo_or_helo_if_needed()
            client.mail(f"bounce@{author}")
            client.rcpt("ann@example.test")
            code, reply = client.data((before + MAIL).format(author=author))
        return code, reply.decode()

    def close(self) -> None:
        self._do(self.server.stop(deadline_s=5))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()


@pytest.fixture
def door(office: PostOffice, looks: Screener) -> Iterator[Door]:
    made = Door(office, looks)
    yield made
    made.close()


def delivered(office: PostOffice) -> MessageDelivered:
    """The one message that came into the mailbox."""
    office.worker().run_due()
    reader = StreamReader(MailboxRecorder(datastore(office.url)), office.keys)
    (event,) = [one.event for one in reader.recorded(MailboxId("m1")) if isinstance(one.event, MessageDelivered)]
    return event


def test_proven_mail_is_delivered_with_what_was_found_before_it(office: PostOffice, door: Door) -> None:
    assert door.send("honest.test", before=FORGED)[0] == 250
    event = delivered(office)
    assert event.labels == ("INBOX",)
    assert event.server.trace.endswith(
        "Authentication-Results: mx.example.test;\r\n\tspf=pass smtp.mailfrom=bounce@honest.test;\r\n\tdkim=none;\r\n"
        "\tarc=none;\r\n\tdmarc=pass header.from=honest.test\r\n"
    )
    assert office.blobs.read(event.server.blob).startswith(b"From: info@honest.test\r\n")
    found = msgspec.json.decode(event.server.screening, type=Screening)
    assert (found.spf, found.dmarc, found.author_domain) == ("pass", "pass", "honest.test")
    assert b"screening" not in bytes(event.server.envelope)


def test_unproven_mail_is_refused_where_its_domain_asks_for_that_and_nothing_is_kept(
    office: PostOffice, door: Door
) -> None:
    assert door.send("bank.test", before=FORGED) == (
        550,
        "5.7.26 Not proven to come from bank.test, which asks for such mail to be refused",
    )
    assert office.worker().run_due() == 0
    assert list(office.blobs.names("")) == []


def test_a_large_mail_that_is_refused_leaves_nothing_in_the_spool(
    office: PostOffice, door: Door, data_folder: Path
) -> None:
    assert door.send("bank.test", before="X-Long: " + "x" * 900 + "\r\n" + "X-More: y\r\n" * 20_000)[0] == 550
    assert [path for path in (data_folder / "blobs").rglob("*") if path.is_file()] == []


def test_mail_to_be_set_apart_goes_into_spam(office: PostOffice, door: Door) -> None:
    assert door.send("shop.test")[0] == 250
    event = delivered(office)
    assert (event.labels, event.keywords) == (("SPAM",), ("$junk",))


def test_a_sender_whose_dns_hangs_holds_up_nobody_else(office: PostOffice, door: Door) -> None:
    waiting = [threading.Thread(target=door.send, args=("hangs.test",)) for _ in range(12)]
    for thread in waiting:
        thread.start()
    assert door.send("honest.test")[0] == 250
    assert any(thread.is_alive() for thread in waiting)
    for thread in waiting:
        thread.join()


def test_who_breaks_off_while_his_mail_is_looked_at_leaves_nothing(office: PostOffice, door: Door, zone: Zone) -> None:
    client = smtplib.SMTP(*door.server.addresses[0], timeout=60)
    client.ehlo_or_helo_if_needed()
    client.mail("bounce@hangs.test")
    client.rcpt("ann@example.test")
    client.docmd("DATA")
    client.send(MAIL.format(author="hangs.test") + ".\r\n")
    while not zone.asked:
        assert door.server.connections == 1
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    while door.server.connections:
        pass
    assert office.worker().run_due() == 0


def test_whoever_looks_and_breaks_loses_and_blocks_no_mail(office: PostOffice) -> None:
    door = Door(office, Broken())
    assert door.send("bank.test")[0] == 250
    door.close()
    assert [str(report) for report in door.reports] == ["broken"]
    assert "Authentication-Results: mx.example.test;\r\n\tnone\r\n" in delivered(office).server.trace


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({}, "off"),
        ({"DNS": "127.0.0.1:53"}, "on"),
        ({"SMTP": "0.0.0.0:25"}, "on"),
        ({"SMTP": "0.0.0.0:25", "AUTHENTICATION": "off"}, "off"),
        ({"AUTHENTICATION": "on"}, "on"),
    ],
)
def test_mail_is_looked_at_where_the_world_can_send_it(environ: dict[str, str], word: str) -> None:
    assert load({f"LEDGERMAIL_{name}": value for name, value in environ.items()}).authentication == word
