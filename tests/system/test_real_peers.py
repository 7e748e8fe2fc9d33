"""Real peers in both directions: postfix takes our mail and hands us its own, as do smtp-source and smtp-sink."""

import contextlib
import smtplib
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests import dns_zone
from tests.certificates import self_signed
from tests.conftest import temporary_data_folder
from tests.dns_zone import Zone
from tests.postfix import Postfix, postfix
from tests.system.http_crowd import PASSWORD, Person
from tests.system.service import Service, free_ports, installation, until
from tests.system.test_relay import send, statuses

pytestmark = [pytest.mark.servers, pytest.mark.postfix, pytest.mark.timeout(1500)]
WITHIN_S = 600
ANN = "ann@example.test"
ZONE = {
    "far.test": [("MX", (10, "mx.far.test"))],
    "mx.far.test": [("A", "127.0.0.1")],
    "sink.test": [("MX", (10, "mx.sink.test"))],
    "mx.sink.test": [("A", "127.0.0.2")],
}


class Peers:
    """A service, a postfix that knows it, and Ann."""

    def __init__(self, service: Service, other: Postfix) -> None:
        self.service, self.postfix = service, other
        self.ann = Person(service.url, ANN)

    def arrived(self, subject: str) -> int:
        return sum(one["subject"] == subject for one in self.ann.messages("INBOX"))

    def submit(self, *to: str, subject: str) -> None:
        """Ann's own program hands a mail over."""
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = ANN, ", ".join(to), subject
        message.set_content("How are you?\n.\n..\n")
        with smtplib.SMTP("127.0.0.1", self.service.submission, timeout=120) as client:
            client.ehlo()
            client.login(ANN, PASSWORD)
            client.sendmail(ANN, to, message.as_bytes())


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_data_folder())
        certificate, key = self_signed(folder)
        dns = stack.enter_context(dns_zone.serving(Zone(ZONE)))
        (relay_port,) = free_ports(1)
        own = {
            "LEDGERMAIL_DNS": str(dns),
            "LEDGERMAIL_RELAY_PORT": str(relay_port),
            "LEDGERMAIL_AUTHENTICATION": "off",
            "LEDGERMAIL_TLS_CERT": str(certificate),
            "LEDGERMAIL_TLS_KEY": str(key),
        }
        service = stack.enter_context(installation(settings=own))
        (folder / "postfix").mkdir(mode=0o755)
        other = stack.enter_context(postfix(folder / "postfix", port=relay_port, next_port=service.smtp))
        service.start(within_s=WITHIN_S)
        assert service.run("dkim", "create", "example.test", within_s=WITHIN_S).returncode == 0
        yield Peers(service, other)


def test_postfix_takes_our_mail_by_tls_once_and_names_whom_it_does_not_know(peers: Peers) -> None:
    sent = send(peers.ann, "zoe@far.test", "yan@far.test", "nobody@far.test", subject="to postfix")
    until(
        lambda: (
            statuses(peers.ann, sent)
            == {"zoe@far.test": "relayed", "yan@far.test": "relayed", "nobody@far.test": "bounced"}
        ),
        within_s=WITHIN_S,
        what="each recipient is settled",
    )
    until(lambda: peers.postfix.mails("zoe") and peers.postfix.mails("yan"), within_s=WITHIN_S)
    for user in ("zoe", "yan"):
        (mail,) = peers.postfix.mails(user)
        assert mail["Subject"] == "to postfix"
        assert len(mail.get_all("DKIM-Signature", [])) == 2
        assert "using TLSv1.3" in mail["Received"]
        assert "with ESMTPS" in mail["Received"]
    until(lambda: peers.arrived("Undelivered mail returned to sender") == 1, within_s=WITHIN_S)


def test_postfix_takes_an_international_address(peers: Peers) -> None:
    sent = send(peers.ann, "zoë@far.test", subject="grüße")
    until(lambda: set(statuses(peers.ann, sent).values()) == {"relayed"}, within_s=WITHIN_S)
    until(lambda: peers.postfix.mails("zoë"), within_s=WITHIN_S)
    assert "with UTF8SMTP" in peers.postfix.mails("zoë")[0]["Received"]


def test_lines_of_dots_arrive_at_postfix_as_they_were_written(peers: Peers) -> None:
    peers.submit("yan@far.test", subject="dots")
    found = lambda: [one for one in peers.postfix.mails("yan") if one["Subject"] == "dots"]  # noqa: E731
    until(found, within_s=WITHIN_S)
    assert found()[0].get_payload() == "How are you?\n.\n..\n"


def test_what_postfix_took_and_could_not_deliver_comes_back_to_its_recipient_and_is_told_once(peers: Peers) -> None:
    before = peers.arrived("Undelivered mail returned to sender")
    sent = send(peers.ann, "late@far.test", subject="too late")
    until(lambda: set(statuses(peers.ann, sent).values()) == {"bounced"}, within_s=WITHIN_S, what="it bounced late")
    until(lambda: peers.arrived("Undelivered mail returned to sender") == before + 1, within_s=WITHIN_S)


def test_postfix_hands_us_mail_by_tls_and_each_arrives_once(peers: Peers) -> None:
    source(peers.postfix.port, subject="through postfix", mails=20)
    until(lambda: peers.arrived("through postfix") == 20, within_s=WITHIN_S)
    one = next(one for one in peers.ann.messages("INBOX") if one["subject"] == "through postfix")
    raw = peers.ann.http.get(f"/v1/messages/{one['id']}/raw").text
    assert "with ESMTPS id" in raw.partition("Received: from")[2].partition("Received:")[0]


def test_smtp_source_fills_us_over_many_connections(peers: Peers) -> None:
    source(peers.service.smtp, subject="from the source", mails=50, sessions=8)
    until(lambda: peers.arrived("from the source") == 50, within_s=WITHIN_S)


def test_smtp_sink_gets_each_mail_once(peers: Peers, tmp_path: Path) -> None:
    with sink(f"127.0.0.2:{peers.postfix.port}", tmp_path):
        sent = [send(peers.ann, f"u{number}@sink.test", subject=f"sunk {number}") for number in range(10)]
        until(
            lambda: all(set(statuses(peers.ann, one).values()) == {"relayed"} for one in sent),
            within_s=WITHIN_S,
            what="all are relayed",
        )
    dumped = [path.read_text() for path in tmp_path.glob("mail.*")]
    for number in range(10):
        assert sum(f"\nSubject: sunk {number}\n" in one for one in dumped) == 1


def source(port: int, *, subject: str, mails: int, sessions: int = 2) -> None:
    """smtp-source hands over so many mails to Ann."""
    words = ["-s", str(sessions), "-m", str(mails), "-l", "2000", "-S", subject, "-f", "zoe@far.test", "-t", ANN]
    command = ["/usr/sbin/smtp-source", *words, f"inet:127.0.0.1:{port}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@contextlib.contextmanager
def sink(address: str, folder: Path) -> Iterator[None]:
    """smtp-sink listens there, and writes each mail into a file."""
    folder.chmod(0o777)
    with subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "root", "-D", f"{folder}/mail.%M.", address, "50"]) as process:
        try:
            yield
        finally:
            process.terminate()
