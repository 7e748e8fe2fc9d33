"""Reports on TLS: what relays counted, sent once a domain and day to those who ask for it by mail (RFC 8460)."""

import email
import gzip
from collections.abc import Iterator
from datetime import date
from email.message import Message
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from domain.times import DAY_MS
from gateways.mail_objects import read_mail
from gateways.relay.tls_outcomes import TlsOutcome
from infra.authentication import resolver
from infra.http_parts import toucher
from infra.relay.tls_memory import TlsCounts
from infra.settings import load
from infra.settings_readers import ListenAddress
from infra.tls_reporting import TlsReporting
from tests.dns_zone import SERVFAIL, Zone, serving
from tests.post_office import PostOffice, post_office

MONDAY = date(2026, 11, 30)
HOUR_MS = 3_600_000
TUESDAY_MS = 1_796_083_200_000
RUA = "v=TLSRPTv1; rua=%s"
ZONE = {
    "_smtp._tls.far.test": [("TXT", RUA % "mailto:tls@far.test,https://far.test/tls")],
    "_smtp._tls.web.test": [("TXT", RUA % "https://web.test/tls")],
    "_smtp._tls.many.test": [("TXT", RUA % ",".join(f"mailto:r{number}@many.test" for number in range(100)))],
    "_smtp._tls.twice.test": [("TXT", RUA % "mailto:a@twice.test"), ("TXT", RUA % "mailto:b@twice.test")],
    "_smtp._tls.odd.test": [("TXT", RUA % "mailto:a@odd.test%0d%0aBcc:x@victim.test")],
}


class Office:
    """What counts, and what reports."""

    def __init__(self, office: PostOffice, server: ListenAddress) -> None:
        self.post = office
        settings = load({"LEDGERMAIL_DNS": str(server)})
        self.counts = TlsCounts(office.pool.connection, today=lambda: MONDAY)
        self.reporting = TlsReporting(
            connect=office.pool.connection,
            resolver=lambda: resolver(settings),
            blobs=office.blobs,
            appender=office.lane,
            touch=toucher(office.pool.connection),
            sender=EmailAddress.parse("postmaster@example.test"),
            mailbox_of=lambda _address: MailboxId("op"),
            hostname="mx.example.test",
        )

    def count(self, domain: str, *results: str, policy: str = "no-policy-found") -> None:
        for result in results:
            self.counts.count(TlsOutcome(domain, policy, result, f"mx.{domain}"))
        self.counts.write()

    def reports(self) -> list[tuple[list[str], Message]]:
        """Whom each report that waits in the outbox goes to, and its mail."""
        found = self.post.rows(
            "SELECT m.blob, s.recipients::text FROM submissions s"
            " JOIN messages m USING (mailbox_id, generation, message_id)"
            " JOIN outbox o USING (mailbox_id, submission_id) WHERE s.mailbox_id = 'op' ORDER BY s.created_seq"
        )
        return [
            (
                [one["address"] for one in msgspec.json.decode(recipients)],
                email.message_from_bytes(read_mail(self.post.blobs, blob)),
            )
            for blob, recipients in found
        ]

    def left(self) -> list[Any]:
        return [domain for (domain,) in self.post.rows("SELECT DISTINCT domain FROM tls_outcomes ORDER BY domain")]


def told(mail: Message) -> Any:
    _text, attached = mail.get_payload()
    assert isinstance(attached, Message)
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    packed = attached.get_payload(decode=True)
    assert isinstance(packed, bytes)
    return msgspec.json.decode(gzip.decompress(packed))


@pytest.fixture
def zone() -> Zone:
    return Zone(ZONE)


@pytest.fixture
def office(database_url: str, data_folder: Path, zone: Zone) -> Iterator[Office]:
    with post_office(database_url, data_folder) as made, serving(zone) as server:
        made.open_mailbox("op", "postmaster@example.test")
        yield Office(made, server)


def test_a_report_tells_of_all_sessions_of_its_day_once(office: Office) -> None:
    office.count("far.test", "", "", "starttls-not-supported")
    office.count("far.test", "certificate-expired", "", policy="sts")
    with office.post.pool.connection() as connection:
        text = "version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 86400\n"
        connection.execute("INSERT INTO mta_sts_policies VALUES ('far.test', '1', %s, 0, 0)", (text,))
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS - 1) == 0
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 1
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    ((to, mail),) = office.reports()
    assert to == ["tls@far.test"]
    assert (mail.get_content_type(), mail.get_param("report-type")) == ("multipart/report", "tlsrpt")
    assert (mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"]) == ("far.test", "mx.example.test")
    report = told(mail)
    assert report["date-range"] == {
        "start-datetime": "2026-11-30T00:00:00Z",
        "end-datetime": "2026-11-30T23:59:59Z",
    }
    assert (report["organization-name"], report["contact-info"]) == ("mx.example.test", "postmaster@example.test")
    assert mail["Message-ID"] == f"<{report['report-id']}>"
    clear, sts = report["policies"]
    assert clear == {
        "policy": {"policy-type": "no-policy-found", "policy-domain": "far.test"},
        "summary": {"total-successful-session-count": 2, "total-failure-session-count": 1},
        "failure-details": [
            {
                "result-type": "starttls-not-supported",
                "receiving-mx-hostname": "mx.far.test",
                "failed-session-count": 1,
            }
        ],
    }
    assert (sts["policy"]["policy-string"][1], sts["policy"]["mx-host"]) == ("mode: enforce", ["mx.far.test"])
    assert office.left() == []


def test_whoever_dies_between_the_mail_and_the_counts_sends_it_once(office: Office) -> None:
    for _process in range(2):
        office.count("far.test", "")
        office.reporting.run_due(TUESDAY_MS + HOUR_MS)
    assert len(office.reports()) == 1
    assert office.left() == []


@pytest.mark.parametrize("domain", ["web.test", "twice.test", "odd.test", "none.test"])
def test_who_names_nobody_to_mail_to_gets_none_and_nothing_is_kept(office: Office, domain: str) -> None:
    office.count(domain, "")
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    assert office.reports() == office.left() == []


def test_nobody_has_his_reports_sent_to_a_hundred_others(office: Office) -> None:
    office.count("many.test", "")
    office.reporting.run_due(TUESDAY_MS + HOUR_MS)
    ((to, _mail),) = office.reports()
    assert to == [f"r{number}@many.test" for number in range(5)]


def test_a_domain_whose_dns_fails_is_tried_again_for_three_days(office: Office, zone: Zone) -> None:
    office.count("far.test", "")
    zone.put("_smtp._tls.far.test", [(SERVFAIL, None)])
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    assert office.left() == ["far.test"]
    zone.put("_smtp._tls.far.test", ZONE["_smtp._tls.far.test"])
    assert office.reporting.run_due(TUESDAY_MS + 3 * DAY_MS + HOUR_MS) == 0
