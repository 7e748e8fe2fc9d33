"""Two processes that take mail and two that serve HTTP behind a real HAProxy, as deploy/haproxy.cfg has it."""

import contextlib
import http.client
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.certificates import self_signed
from tests.conftest import HAPROXY
from tests.proxy_headers import LOCAL, raw
from tests.system.http_crowd import Person
from tests.system.service import REPOSITORY, Service, free_ports, until
from tests.system.service_checks import assert_each_mail_is_there_once, assert_logs_hold, wait_until_settled
from tests.system.smtp_crowd import Sender, mail

pytestmark = [pytest.mark.servers, pytest.mark.haproxy, pytest.mark.timeout(600)]
CONFIGURATION = REPOSITORY / "deploy" / "haproxy.cfg"
BEHIND = {"LEDGERMAIL_PROXIES": "127.0.0.0/8", "LEDGERMAIL_REGISTRATION": "open", "LEDGERMAIL_DRAIN_SECONDS": "3"}
TAKES_MAIL = "smtp,submission"
ROLES = {"web1": "http", "web2": "http", "smtp1": TAKES_MAIL, "smtp2": TAKES_MAIL, "work": "delivery,sender,timers"}
SERVES = ("ready", "degraded")
"""Both under 200: nobody here keeps the views that follow."""


class Site:
    """The service behind its proxy: each process by its name, and where the world finds them."""

    def __init__(self, folder: Path, data: Path, database_url: str) -> None:
        own = BEHIND | {"LEDGERMAIL_DATABASE_URL": database_url}
        self.services = {
            name: Service(data, folder / f"{name}.log", arguments=("--only", roles), settings=own)
            for name, roles in ROLES.items()
        }
        self.smtp, self.submission, self.submissions, self.http, self.https = free_ports(5)
        certificate, key = self_signed(folder)
        pem = folder / "both.pem"
        pem.write_bytes(certificate.read_bytes() + key.read_bytes())
        self.tls = ssl.create_default_context(cafile=str(certificate))
        places = {
            "PUBLIC_SMTP": self.smtp,
            "PUBLIC_SUBMISSION": self.submission,
            "PUBLIC_SUBMISSIONS": self.submissions,
            "PUBLIC_HTTP": self.http,
            "PUBLIC_HTTPS": self.https,
            "SMTP_1": self.services["smtp1"].smtp,
            "SMTP_2": self.services["smtp2"].smtp,
            "SUBMISSION_1": self.services["smtp1"].submission,
            "SUBMISSION_2": self.services["smtp2"].submission,
            "SUBMISSIONS_1": self.services["smtp1"].submissions,
            "SUBMISSIONS_2": self.services["smtp2"].submissions,
            "HTTP_1": self.services["web1"].http,
            "HTTP_2": self.services["web2"].http,
        }
        self.environment = {name: f"127.0.0.1:{port}" for name, port in places.items()} | {"CERTIFICATE": str(pem)}

    def person(self, address: str, *, source: str = "127.0.0.1", register: bool = True) -> Person:
        """Who comes from `source`."""
        transport = httpx.HTTPTransport(verify=self.tls, local_address=source)
        return Person(f"https://127.0.0.1:{self.https}", address, register=register, transport=transport)

    def sender(self, source: str) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.smtp, "mx.elsewhere.test", timeout=20, source_address=(source, 0))

    def readiness(self, name: str) -> str:
        """What a process says to a check of its proxy; nothing once it takes no connection."""
        try:
            with socket.create_connection(("127.0.0.1", self.services[name].http), timeout=5) as connection:
                connection.sendall(raw(LOCAL, 0, b"") + b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                return str(json.loads(answer.read())["status"])
        except (OSError, http.client.HTTPException):
            return ""


@pytest.fixture
def site(tmp_path: Path, data_folder: Path, database_url: str) -> Iterator[Site]:
    with contextlib.ExitStack() as closing:
        site = Site(tmp_path, data_folder, database_url)
        for service in site.services.values():
            closing.callback(service.end)
            service.start()
        command = [HAPROXY, "-db", "-f", CONFIGURATION]
        with (tmp_path / "haproxy.log").open("wb") as log:
            proxy = subprocess.Popen(command, env=os.environ | site.environment, stdout=log, stderr=log)
        closing.callback(proxy.wait, 20)
        closing.callback(proxy.kill)
        until(lambda: is_open(site) or proxy.poll() is not None, within_s=30, what="the proxy serves")
        assert proxy.poll() is None, (tmp_path / "haproxy.log").read_text()
        yield site


def is_open(site: Site) -> bool:
    with contextlib.suppress(OSError, httpx.HTTPError, smtplib.SMTPException), site.sender("127.0.0.1"):
        answer = httpx.get(f"https://127.0.0.1:{site.https}/healthz", verify=site.tls, trust_env=False)
        return answer.status_code == 200
    return False


class Asking:
    """Asks again and again in a thread of its own, on a new connection each time; `failures` is all that went wrong."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        self.asked = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._ask()
            except Exception as failure:  # noqa: BLE001 - told at the end
                self.failures.append(failure)
            self.asked += 1

    def finish(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert self.failures == []
        assert self.asked > 10


def test_every_client_is_seen_with_his_own_address(site: Site) -> None:
    addresses = ("127.0.0.7", "127.0.0.8")
    people = {source: site.person(f"ann{source[-1]}@example.test", source=source) for source in addresses}
    for source, person in people.items():
        assert [one["address"] for one in person.get("/v1/sessions")["sessions"]] == [source]
        for again in range(3):  # the proxy keeps its connections, each with the address that it was opened with
            other = site.person(person.address, source=source, register=False)
            assert [one["address"] for one in other.get("/v1/sessions")["sessions"]] == [source] * (again + 2)
        with site.sender(source) as sender:
            sender.sendmail("bob@elsewhere.test", [person.address], mail(f"from{source[-1]}", to=person.address))
        until(lambda person=person: person.messages("INBOX"), within_s=30, what="the mail is there")
        (message,) = person.messages("INBOX")
        raw_mail = person.http.get(f"/v1/messages/{message['id']}/raw").text
        assert f"[{source}]" in raw_mail.partition("\r\n\r\n")[0]


def test_submission_is_behind_the_proxy_and_asks_who_is_there(site: Site) -> None:
    with smtplib.SMTP("127.0.0.1", site.submission, "laptop.test", timeout=20) as client:
        assert client.ehlo()[0] == 250
        assert client.docmd("MAIL", "FROM:<ann@example.test>")[0] == 530


def test_what_is_for_operators_is_not_for_the_world(site: Site) -> None:
    with httpx.Client(base_url=f"https://127.0.0.1:{site.https}", verify=site.tls, trust_env=False) as world:
        for path in ("/metrics", "/%6detrics", "/readyz", "/read%79z"):
            assert world.get(path).status_code == 404
        assert world.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"
    plain = httpx.get(f"http://127.0.0.1:{site.http}/", trust_env=False)
    assert (plain.status_code, plain.headers["location"][:6]) == (308, "https:")


def test_processes_are_stopped_and_started_again_one_by_one_and_nobody_notices(site: Site) -> None:
    ann = site.person("ann@example.test")
    token = ann.http.headers["authorization"]

    def ask() -> None:
        answer = httpx.get(
            f"https://127.0.0.1:{site.https}/v1/account",
            headers={"authorization": token},
            verify=site.tls,
            trust_env=False,
            timeout=20,
        )
        assert answer.status_code == 200, answer.text

    def greet() -> None:
        sender = site.sender("127.0.0.1")
        assert sender.noop()[0] in (250, 421)  # who is greeted by a process that stops just then is told so
        sender.close()

    kept = Asking(lambda: ann.get("/v1/account"))
    asking, greeting = Asking(ask), Asking(greet)
    senders = [Sender(site.smtp, f"s{n}", [ann.address], size=lambda: 10_000).start() for n in range(2)]
    for name in ("web1", "smtp1", "web2", "smtp2"):
        seen = stopped_while_watched(site, name)
        assert ("draining" in seen) == name.startswith("web")
        site.services[name].start()
        until(lambda: all(one.acknowledged for one in senders), within_s=60, what="mail is taken")
        if name.startswith("web"):
            until(lambda name=name: site.readiness(name) in SERVES, within_s=60, what=f"{name} serves again")
    for asked in (kept, asking, greeting):
        asked.finish()
    for sender in senders:
        sender.finish(60)
    wait_until_settled(site.services["web1"])
    assert assert_each_mail_is_there_once(ann, senders) == sum(len(sender.acknowledged) for sender in senders)
    assert_logs_hold(site.services["web1"])


def stopped_while_watched(site: Site, name: str) -> list[str]:
    """End a process as an operator does; what it said of itself meanwhile."""
    supervisor = site.services[name].supervisor
    assert supervisor is not None
    supervisor.send_signal(signal.SIGTERM)
    seen: list[str] = []

    def is_over() -> bool:
        seen.append(site.readiness(name))
        return supervisor.poll() is not None

    until(is_over, within_s=30, what=f"{name} has stopped")
    assert supervisor.returncode == 0
    assert "killed" not in site.services[name].said()
    return seen
