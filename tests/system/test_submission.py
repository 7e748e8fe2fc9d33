"""Submission through the whole service: people's own programs sign in by every mechanism and hand mail over."""

import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import self_signed
from tests.conftest import SWAKS, temporary_data_folder
from tests.system.http_crowd import PASSWORD, Person
from tests.system.service import Service, installation, until

pytestmark = pytest.mark.timeout(300)
ANN, BOB = "ann@example.test", "bob@example.test"


class House:
    """A service with a certificate, and two people in it."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.folder = service, folder
        self.ann, self.bob = Person(service.url, ANN), Person(service.url, BOB)

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

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

    @contextmanager
    def signed_in(self) -> Iterator[smtplib.SMTP]:
        with self.implicit_tls() as client:
            client.user, client.password = ANN, PASSWORD
            client.auth("PLAIN", client.auth_plain)
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
            assert f"submission    127.0.0.1:{service.submission}, with TLS 127.0.0.1:{service.submissions}\n" in (
                service.said()
            )
            yield House(service, folder)
            assert service.stop()[0] == 0


def letter(subject: str, text: str = "See you.\n", **fields: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    named = {"From": f"Ann <{ANN}>", "To": BOB, "Subject": subject, "Message-ID": f"<{subject}@laptop>"} | fields
    for name, value in named.items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes()


def oauth_bearer(person: Person) -> Any:
    said = [f"n,a={person.address},\x01host=mx\x01port=587\x01auth=Bearer {person.token}\x01\x01"]
    return lambda _challenge=None: said.pop() if said else "\x01"


def raw_of(person: Person, message_id: str) -> bytes:
    answer = person.http.get(f"/v1/messages/{message_id}/raw")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_what_is_handed_over_behind_starttls_arrives_once_without_bcc_and_is_in_sent_once(house: House) -> None:
    with house.starttls() as client:
        client.user, client.password = ANN, PASSWORD
        client.auth("PLAIN", client.auth_plain)
        assert client.sendmail(ANN, [BOB, "ann+kept@example.test"], letter("plain", Bcc="ann+kept@example.test")) == {}
    until(lambda: house.arrived(house.bob, "plain"), within_s=60)
    until(lambda: house.arrived(house.ann, "plain"), within_s=60)
    [arrived], [kept], [sent] = (
        house.arrived(house.bob, "plain"),
        house.arrived(house.ann, "plain"),
        house.sent("plain"),
    )
    assert b"\r\nBcc: ann+kept@example.test\r\n" in raw_of(house.ann, sent["id"])
    for person, message in ((house.bob, arrived), (house.ann, kept)):
        raw = raw_of(person, message["id"])
        assert b"\r\nBcc:" not in raw
        assert b"with ESMTPSA id" in raw


def test_each_mechanism_signs_in_behind_tls_from_the_first_octet(house: House) -> None:
    secret = house.ann.http.post("/v1/app-passwords", json={"name": "phone"}).json()["password"]
    for mechanism in ("PLAIN", "LOGIN", "OAUTHBEARER"):
        with house.implicit_tls() as client:
            client.user, client.password = ANN, secret
            own = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login, "OAUTHBEARER": oauth_bearer(house.ann)}
            assert client.auth(mechanism, own[mechanism])[0] == 235
            client.sendmail(ANN, [BOB], letter(f"by-{mechanism}"))
        until(lambda subject=f"by-{mechanism}": house.arrived(house.bob, subject), within_s=60)
        assert len(house.sent(f"by-{mechanism}")) == 1


@pytest.mark.swaks
@pytest.mark.parametrize("way", ["--tls", "--tls-on-connect"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_hands_a_mail_over(house: House, way: str, mechanism: str) -> None:
    port = house.service.submission if way == "--tls" else house.service.submissions
    subject = f"swaks{way}-{mechanism}"
    who = ("--auth", mechanism, "--auth-user", ANN, "--from", ANN, "--to", BOB)
    what = ("--header", f"Subject: {subject}", "--ehlo", "laptop.test", "--pipeline")
    command = [str(SWAKS), "--server", "127.0.0.1", "--port", str(port), way, *who, *what, "--auth-password"]
    for password, code in (("wrong", 28), (PASSWORD, 0)):
        ended = subprocess.run([*command, password], capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
    until(lambda: house.arrived(house.bob, subject), within_s=60)
    assert len(house.sent(subject)) == 1


def test_who_misses_the_answer_and_sends_again_sends_once(house: House) -> None:
    raw = letter("again")
    with house.signed_in() as client:
        client.mail(ANN)
        client.rcpt(BOB)
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(raw + b".\r\n")
        client.close()  # without hearing the 250
    until(lambda: house.sent("again"), within_s=60)
    with house.signed_in() as client:
        for _again in range(2):
            assert client.sendmail(ANN, [BOB], raw) == {}
    until(lambda: house.arrived(house.bob, "again"), within_s=60)
    queued = [one for one in house.ann.events() if one["type"] == "SubmissionQueued"]
    [sent] = house.sent("again")
    assert len([one for one in queued if one["data"]["message_id"] == sent["id"]]) == 1
    assert len(house.arrived(house.bob, "again")) == 1


def test_nobody_writes_in_anothers_name(house: House) -> None:
    with house.signed_in() as client:
        assert client.mail(BOB)[0:1] == (550,)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(ANN, [BOB], letter("forged", From=BOB))
        assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.7.1")
    assert house.sent("forged") == []


def test_a_notification_goes_out_from_nobody(house: House) -> None:
    with house.signed_in() as client:
        client.sendmail("", [BOB], letter("read"))
    until(lambda: house.arrived(house.bob, "read"), within_s=60)
    [arrived] = house.arrived(house.bob, "read")
    assert raw_of(house.bob, arrived["id"]).startswith(b"Return-Path: <>\r\n")


def test_a_message_that_is_held_can_be_called_back(house: House) -> None:
    with house.signed_in() as client:
        client.sendmail(ANN, [BOB], letter("held"), mail_options=["HOLDFOR=86400"])
    [sent] = house.sent("held")
    [held] = [one for one in house.ann.get("/v1/submissions")["submissions"] if one["message_id"] == sent["id"]]
    assert held["status"] == "queued"
    undone = house.ann.http.post(f"/v1/submissions/{held['id']}/undo")
    assert undone.status_code == 200, undone.text
    assert house.sent("held") == []


def test_a_new_certificate_is_shown_from_the_hangup_on_and_a_broken_one_never(house: House) -> None:
    def shown() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", house.service.submissions), 30) as plain,
            context.wrap_socket(plain) as secured,
        ):
            assert secured.recv(4) == b"220 "
            found = secured.getpeercert(binary_form=True)
            assert found is not None
            return found

    assert house.service.supervisor is not None
    with house.signed_in() as client, temporary_data_folder() as folder:
        before = shown()
        (house.folder / "key.pem").write_text("nothing")
        house.service.supervisor.send_signal(signal.SIGHUP)
        until(lambda: "the certificate stays as it was" in house.service.said(), within_s=60)
        assert shown() == before
        for path in self_signed(folder):
            shutil.copy(path, house.folder / path.name)
        house.service.supervisor.send_signal(signal.SIGHUP)
        until(lambda: shown() != before, within_s=60)
        assert client.noop()[0] == 250
    with house.starttls() as client:
        assert client.noop()[0] == 250


def test_without_a_certificate_there_is_no_second_door_and_the_start_says_so() -> None:
    with installation(arguments=("--only", "http,submission")) as service:
        service.start()
        assert f"submission    127.0.0.1:{service.submission} (without TLS: no certificate is set)\n" in service.said()
        person = Person(service.url, ANN)
        with smtplib.SMTP("127.0.0.1", service.submission, timeout=60) as client:
            assert client.login(ANN, PASSWORD)[0] == 235
            client.sendmail(ANN, [ANN], letter("loopback"))
        assert [one["subject"] for one in person.messages("SENT")] == ["loopback"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.submissions), 10)
        assert service.stop()[0] == 0
