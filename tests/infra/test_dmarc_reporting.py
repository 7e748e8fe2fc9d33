"""Aggregate reports: counted where mail is judged, sent once a domain and day, to those who may be sent to."""

import asyncio
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from domain.times import DAY_MS
from gateways.authentication.evidence import Evidence
from gateways.dmarc_reports.reading import read_report
from gateways.dmarc_reports.report import Policy, Proof, Report, Row
from gateways.dmarc_reports.tally import CountedScreener
from gateways.dmarc_reports.unpacking import unpacked
from gateways.dmarc_reports.writing import write_report
from gateways.mail_objects import read_mail
from gateways.mime import show
from gateways.mime.parse import parse
from gateways.screening import Arrival
from infra.authentication import resolver, screener
from infra.dmarc_counts import DmarcCounts
from infra.dmarc_reporting import DmarcReporting
from infra.http_parts import toucher
from infra.settings import load
from infra.settings_readers import ListenAddress
from tests.dns_zone import SERVFAIL, Zone, serving
from tests.post_office import PostOffice, post_office

MONDAY_S = 1_795_996_800  # 2026-11-30 00:00 UTC
TUESDAY_MS = (MONDAY_S + 86_400) * 1000
HOUR_MS = 3_600_000
MAIL = b"From: info@%b\r\nTo: ann@example.test\r\nSubject: hi\r\nMessage-ID: <1@x>\r\n\r\nHow are you?\r\n"
RUA = "v=DMARC1; p=reject; sp=quarantine; adkim=s; rua=mailto:reports@%s"
ZONE = {
    "shop.test": [("TXT", "v=spf1 ip4:192.0.2.1 -all")],
    "_dmarc.shop.test": [("TXT", RUA % "shop.test")],
    "_dmarc.quiet.test": [("TXT", "v=DMARC1; p=none")],
    "_dmarc.outside.test": [("TXT", RUA % "collector.test")],
    "_dmarc.attack.test": [("TXT", RUA % "victim.test" + ",mailto:r@attack.test!1k,https://attack.test/,mailto:@")],
    "outside.test._report._dmarc.collector.test": [("TXT", "v=DMARC1")],
}


class Office:
    """Everything that counts and reports."""

    def __init__(self, office: PostOffice, server: ListenAddress) -> None:
        self.post = office
        self._settings = load({"LEDGERMAIL_DNS": str(server)})
        self.counts = DmarcCounts(office.pool.connection, clock_s=lambda: MONDAY_S + 5.0)
        self.reporting = DmarcReporting(
            connect=office.pool.connection,
            resolver=lambda: resolver(self._settings),
            blobs=office.blobs,
            appender=office.lane,
            touch=toucher(office.pool.connection),
            sender=EmailAddress.parse("postmaster@example.test"),
            mailbox_of=lambda _address: MailboxId("op"),
            hostname="mx.example.test",
        )

    def judge(self, author: str, *, peer: str = "192.0.2.1", times: int = 1) -> None:
        async def judged() -> None:
            looks = CountedScreener(screener(self._settings), self.counts)
            for _ in range(times):
                evidence = Evidence()
                evidence.add(MAIL % author.encode())
                evidence.finish()
                await looks.screen(Arrival(peer, "mx.x.test", f"bounce@{author}", "mx.example.test"), evidence)

        asyncio.run(judged())
        self.counts.flush()

    def reports(self) -> list[tuple[list[str], Report]]:
        """Whom each report that waits in the outbox goes to, and what it says."""
        found = self.post.rows(
            "SELECT m.blob, s.recipients::text FROM submissions s"
            " JOIN messages m USING (mailbox_id, generation, message_id)"
            " JOIN outbox o USING (mailbox_id, submission_id) WHERE s.mailbox_id = 'op' ORDER BY s.created_seq"
        )
        return [(_addresses(recipients), _attached(read_mail(self.post.blobs, blob))) for blob, recipients in found]

    def left(self) -> list[Any]:
        return [domain for (domain,) in self.post.rows("SELECT DISTINCT domain FROM dmarc_counts ORDER BY domain")]


def _addresses(recipients: str) -> list[str]:
    return [one["address"] for one in msgspec.json.decode(recipients)]


def _attached(raw: bytes) -> Report:
    parsed = parse(raw)
    (one,) = parsed.attachments
    assert one.filename == f"mx.example.test!{_domain(parsed.summary.subject)}!{MONDAY_S}!{MONDAY_S + 86_399}.xml.gz"
    return read_report(unpacked(show.attachment_bytes(raw, parsed, one.id)[1]))


def _domain(subject: str) -> str:
    words = subject.split()
    assert words[:2] == ["Report", "Domain:"]
    assert words[3:6] == ["Submitter:", "mx.example.test", "Report-ID:"]
    return words[2]


@pytest.fixture
def zone() -> Zone:
    return Zone(ZONE)


@pytest.fixture
def office(database_url: str, data_folder: Path, zone: Zone) -> Iterator[Office]:
    with post_office(database_url, data_folder) as made, serving(zone) as server:
        made.open_mailbox("op", "postmaster@example.test")
        yield Office(made, server)


def test_a_report_tells_of_all_mail_of_its_day_once(office: Office) -> None:
    office.judge("shop.test", times=3)
    office.judge("shop.test", peer="2001:db8::66", times=2)
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS - 1) == 0
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 1
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    ((to, report),) = office.reports()
    assert to == ["reports@shop.test"]
    assert (report.organization, report.begin, report.end) == ("mx.example.test", MONDAY_S, MONDAY_S + 86_399)
    assert report.policy == Policy(
        domain="shop.test",
        policy="reject",
        subdomains="quarantine",
        missing="quarantine",
        dkim_alignment="s",
        spf_alignment="r",
        testing="n",
    )
    proven, forged = report.rows
    assert proven == Row(
        source_ip="192.0.2.1",
        count=3,
        disposition="pass",
        dkim="fail",
        spf="pass",
        header_from="shop.test",
        envelope_from="shop.test",
        proofs=(Proof("spf", "shop.test", "pass", "mfrom"),),
    )
    assert (forged.source_ip, forged.count, forged.disposition, forged.spf) == ("2001:db8::66", 2, "reject", "fail")
    assert office.left() == []


def test_counts_of_several_processes_are_added(office: Office) -> None:
    other = DmarcCounts(office.post.pool.connection, clock_s=lambda: MONDAY_S + 5.0)
    office.judge("shop.test")
    office.counts, own = other, office.counts
    office.judge("shop.test", times=4)
    own.flush()
    office.reporting.run_due(TUESDAY_MS + HOUR_MS)
    assert [row.count for row in office.reports()[0][1].rows] == [5]


def test_whoever_dies_between_the_mail_and_the_counts_sends_it_once(office: Office) -> None:
    office.judge("shop.test")
    rows = office.post.rows("SELECT day, domain, digest, facts::text, count FROM dmarc_counts")
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 1
    with office.post.pool.connection() as connection:
        connection.cursor().executemany("INSERT INTO dmarc_counts VALUES (%s, %s, %s, %s, %s)", rows)
    assert office.reporting.run_due(TUESDAY_MS + 2 * HOUR_MS) == 0
    assert len(office.reports()) == 1
    assert office.left() == []


def test_who_wants_no_reports_gets_none_and_nothing_is_kept(office: Office) -> None:
    office.judge("quiet.test")
    office.judge("none.test")
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    assert office.reports() == office.left() == []


def test_another_organization_gets_reports_only_where_it_says_so(office: Office) -> None:
    office.judge("outside.test")
    office.judge("attack.test")
    office.reporting.run_due(TUESDAY_MS + HOUR_MS)
    assert sorted(to for to, _ in office.reports()) == [["r@attack.test"], ["reports@collector.test"]]


def test_a_domain_whose_dns_fails_is_tried_again_for_three_days(office: Office, zone: Zone) -> None:
    office.judge("shop.test")
    zone.put("_dmarc.shop.test", [(SERVFAIL, None)])
    assert office.reporting.run_due(TUESDAY_MS + HOUR_MS) == 0
    assert office.left() == ["shop.test"]
    office.reporting.run_due(TUESDAY_MS + 3 * DAY_MS + HOUR_MS)
    assert office.left() == []


def test_what_strangers_write_cannot_break_out_of_the_report() -> None:
    evil = Row(
        source_ip="192.0.2.1",
        count=1,
        disposition="none",
        dkim="fail",
        spf="fail",
        header_from="</header_from><x>&\x00\ud800",
        proofs=(Proof("dkim", "a.test", "fail", "]]><!--"),),
    )
    report = Report(
        organization="mx", email="p@x.test", report_id="r", begin=1, end=2, policy=Policy(domain="x.test"), rows=(evil,)
    )
    (read,) = read_report(unpacked(gzip.compress(write_report(report)))).rows
    assert (read.header_from, read.proofs[0].label) == ("</header_from><x>&", "]]><!--")


def test_the_day_is_that_of_utc() -> None:
    assert datetime.fromtimestamp(MONDAY_S, UTC).isoformat() == "2026-11-30T00:00:00+00:00"
