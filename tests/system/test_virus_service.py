"""The whole service beside a clamd and a DNS: what is infected comes in by no way and leaves by none."""

import smtplib
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.clamd_server import EICAR, ClamdServer, clamd_server
from tests.dns_zone import Zone, serving
from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until

ZONE = {
    "shop.test": [("TXT", "v=spf1 ip4:127.0.0.1 -all")],
    "_dmarc.shop.test": [("TXT", "v=DMARC1; p=reject; rua=mailto:reports@shop.test")],
}
MAIL = "From: info@shop.test\r\nTo: {to}\r\nSubject: hi\r\nMessage-ID: <{number}@shop.test>\r\n\r\n{text}\r\n"


@pytest.fixture
def clamd() -> Iterator[ClamdServer]:
    with clamd_server() as server:
        yield server


@pytest.fixture
def service(clamd: ClamdServer) -> Iterator[Service]:
    with ExitStack() as stack:
        dns = stack.enter_context(serving(Zone(ZONE)))
        settings = {
            "LEDGERMAIL_CLAMD": clamd.address,
            "LEDGERMAIL_DNS": str(dns),
            "LEDGERMAIL_DMARC_REPORTS": "on",
        }
        started = stack.enter_context(installation(settings=settings))
        started.start()
        yield started


def sent(service: Service, to: str, text: str, *, number: int) -> int:
    """The code of the reply to the content."""
    with smtplib.SMTP("127.0.0.1", service.smtp, timeout=60) as client:
        client.ehlo_or_helo_if_needed()
        client.mail("bounce@shop.test")
        client.rcpt(to)
        return client.data(MAIL.format(to=to, number=number, text=text))[0]


@pytest.mark.timeout(240)
def test_what_is_infected_comes_in_by_no_way_and_leaves_by_none(service: Service, clamd: ClamdServer) -> None:
    ann = Person(service.url, "ann@example.test")
    client = httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {ann.token}"}, trust_env=False)
    assert sent(service, ann.address, EICAR.decode(), number=1) == 550
    assert sent(service, ann.address, "How are you?", number=2) == 250
    until(lambda: len(_inbox(client)) == 1, within_s=60, what="the clean mail is there")
    assert client.get(f"/v1/messages/{_inbox(client)[0]['id']}").json()["virus_scan"] == "clean"

    asked = {"filename": "a.com", "content_type": "application/octet-stream", "size": len(EICAR)}
    announced = client.post("/v1/attachments", json=asked).json()
    client.put(announced["upload"]["url"], content=EICAR)
    assert client.post(f"/v1/attachments/{announced['id']}/complete").json()["code"] == "attachment_infected"

    assert client.get("/readyz").json()["status"] == "ready"
    service.stop()
    with service.parts() as parts, parts.connect() as connection:
        ((domain, count),) = connection.execute("SELECT domain, sum(count)::integer FROM dmarc_counts GROUP BY domain")
    assert (domain, count) == ("shop.test", 2)


def _inbox(client: httpx.Client) -> list[dict[str, str]]:
    found: list[dict[str, str]] = client.get("/v1/messages", params={"label": "INBOX"}).json()["messages"]
    return found
