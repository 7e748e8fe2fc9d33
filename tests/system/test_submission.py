"""Submission through the whole service: people's own programs sign in by every mechanism and hand mail over."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import self_signed
from tests.conftest import temporary_data_folder
from tests.system.http_crowd import PASSWORD, Person
from tests.system.service import Service, installation, until

pytestmark = pytest.mark.timeout(240)


class House:
    """A service with a certificate, and two people in it."""

    def __init__(self, service: Service, certificate: Path) -> None:
        self.service = service
        self.tls = ssl.create_default_context(cafile=str(certificate))
        self.tls.check_hostname = False
        self.ann, self.bob = (Person(service.url, f"{name}@example.test") for name in ("ann", "bob"))

    @contextmanager
    def starttls(self) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP("127.0.0.1", self.service.submission, timeout=60) as client:
            client.starttls(context=self.tls)
            client.ehlo()
            yield client

    @contextmanager
    def implicit_tls(self) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP_SSL("127.0.0.1", self.service.submissions, timeout=60, context=self.tls) as client:
            client.ehlo()
            yield client

    def arrived(self, person: Person, subject: str) -> list[dict[str, Any]]:
        return [one for one in person.messages("INBOX") if one["subject"] == subject]

    def sent(self, subject: str) -> list[dict[str, Any]]:
        return [one for one in self.ann.messages("SENT") if one["subject"] == subject]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with temporary_data_folder() as folder:
        certificate, key = self_signed(folder)
        settings = {"LEDGERMAIL_TLS_CERT": str(certificate), "LEDGERMAIL_TLS_KEY": str(key)}
        with installation(settings=settings) as service:
            service.start()
            yield House(service, certificate)
            assert service.stop()[0] == 0


def letter(subject: str, **fields: str) -> EmailMessage:
    message = EmailMessage()
    named = {"From": "Ann <ann@example.test>", "To": "bob@example.test", "Subject": subject} | fields
    for name, value in named.items():
        message[name.replace("_", "-")] = value
    message.set_content("See you.\n")
    return message


def oauth_bearer(person: Person) -> Any:
    said = [f"n,a={person.address},\x01host=mx\x01port=587\x01auth=Bearer {person.token}\x01\x01"]
    return lambda _challenge=None: said.pop() if said else "\x01"


def raw_of(person: Person, message_id: str) -> bytes:
    answer = person.http.get(f"/v1/messages/{message_id}/raw")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_what_is_handed_over_behind_starttls_arrives_once_and_is_in_sent_once(house: House) -> None:
    with house.starttls() as client:
        client.user, client.password = "ann@example.test", PASSWORD
        client.auth("PLAIN", client.auth_plain)
        whole = letter("plain", Bcc="ann+kept@example.test").as_bytes()
        assert client.sendmail("ann@example.test", ["bob@example.test", "ann+kept@example.test"], whole) == {}
    until(lambda: house.arrived(house.bob, "plain"), within_s=60)
    until(lambda: house.arrived(house.ann, "plain"), within_s=60)
    [arrived], [sent] = house.arrived(house.bob, "plain"), house.sent("plain")
    assert b"\r\nBcc: ann+kept@example.test" in raw_of(house.ann, sent["id"])
    assert b"\r\nBcc:" not in raw_of(house.bob, arrived["id"])
    assert b"with ESMTPSA id" in raw_of(house.bob, arrived["id"])


def test_each_mechanism_signs_in_behind_tls_from_the_first_octet(house: House) -> None:
    secret = house.ann.http.post("/v1/app-passwords", json={"name": "phone"}).json()["password"]
    for mechanism in ("PLAIN", "LOGIN", "OAUTHBEARER"):
        with house.implicit_tls() as client:
            client.user, client.password = "ann@example.test", secret
            means = {
                "PLAIN": client.auth_plain,
                "LOGIN": client.auth_login,
                "OAUTHBEARER": oauth_bearer(house.ann),
            }[mechanism]
            assert client.auth(mechanism, means)[0] == 235
            client.send_message(letter(f"by {mechanism}"))
        until(lambda subject=f"by {mechanism}": house.arrived(house.bob, subject), within_s=60)
        assert len(house.sent(f"by {mechanism}")) == 1
