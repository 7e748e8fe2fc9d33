"""Aggregate reports of others, read into plain words, and files that only look like reports."""

import gzip
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.dmarc_reports.reading import MAX_ELEMENTS, read_report
from gateways.dmarc_reports.report import Policy, Proof, Report
from gateways.dmarc_reports.unpacking import MAX_XML_BYTES, ReportUnreadableError, unpacked
from gateways.dmarc_reports.words import in_words

HEAD = """<report_metadata><org_name>Mail &amp; More</org_name><email>dmarc@more.test</email>
<report_id>r-1</report_id><date_range><begin>1795651200</begin><end>1795737599</end></date_range></report_metadata>"""
NEW = f"""<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0" xmlns:x="urn:x"><version>1.0</version>{HEAD}
<policy_published><domain>shop.test</domain><discovery_method>treewalk</discovery_method><p>quarantine</p><sp>none</sp>
<np>reject</np><adkim>s</adkim><aspf>r</aspf><testing>n</testing></policy_published>
<extension><x:domain>evil.test</x:domain></extension>
<record><row><source_ip>192.0.2.1</source_ip><count>12</count><policy_evaluated><disposition>pass</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><envelope_from>bounce.shop.test</envelope_from><header_from>shop.test</header_from></identifiers>
<auth_results><dkim><domain>shop.test</domain><selector>s1</selector><result>pass</result></dkim>
<dkim><domain>other.test</domain><selector>s2</selector><result>fail</result></dkim>
<spf><domain>bounce.shop.test</domain><scope>mfrom</scope><result>softfail</result></spf></auth_results></record>
<record><row><source_ip>2001:db8::1</source_ip><count>300</count><policy_evaluated>
<disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf>
<reason><type>mailing_list</type><comment>a list</comment></reason></policy_evaluated></row>
<identifiers><header_from>shop.test</header_from></identifiers>
<auth_results><spf><domain>spammer.test</domain><result>pass</result></spf></auth_results></record></feedback>"""
OLD = f"""<feedback>{HEAD}<policy_published><domain>shop.test</domain><adkim>r</adkim><aspf>r</aspf><p>none</p>
<pct>100</pct></policy_published></feedback>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<feedback>&b;</feedback>"""


def zipped(how: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def test_a_report_of_rfc_9990_is_read() -> None:
    report = read_report(NEW.encode())
    assert (report.organization, report.email, report.report_id) == ("Mail & More", "dmarc@more.test", "r-1")
    assert (report.begin, report.end) == (1795651200, 1795737599)
    assert report.policy == Policy(
        domain="shop.test",
        policy="quarantine",
        subdomains="none",
        missing="reject",
        dkim_alignment="s",
        spf_alignment="r",
        testing="n",
    )
    first, second = report.rows
    assert (first.source_ip, first.count, first.disposition, first.dkim, first.spf) == (
        "192.0.2.1",
        12,
        "pass",
        "pass",
        "fail",
    )
    assert first.proofs == (
        Proof("dkim", "shop.test", "pass", "s1"),
        Proof("dkim", "other.test", "fail", "s2"),
        Proof("spf", "bounce.shop.test", "softfail", "mfrom"),
    )
    assert (second.reason, second.proofs) == ("mailing_list", (Proof("spf", "spammer.test", "pass"),))


def test_a_report_of_rfc_7489_without_records_is_read() -> None:
    report = read_report(OLD.encode())
    assert (report.policy.domain, report.policy.policy, report.rows) == ("shop.test", "none", ())


def test_a_report_is_told_in_plain_words() -> None:
    assert list(in_words(read_report(NEW.encode()), most=2)) == [
        "Mail & More about mail from shop.test",
        "  from 2026-11-26 00:00 to 2026-11-26 23:59, report r-1",
        "  shop.test asks for quarantine of what is not proven to be its own",
        "  312 messages, 12 proven, 300 not",
        "     300  from 2001:db8::1      as shop.test: NOT PROVEN, put into spam, because of mailing_list"
        " (spf pass for spammer.test)",
        "      12  from 192.0.2.1        as shop.test: proven by DKIM, delivered",
    ]


@pytest.mark.parametrize(
    "packed",
    [
        NEW.encode(),
        gzip.compress(NEW.encode()),
        zipped(report_xml=NEW.encode()),
        zipped(a_txt=b"x", r_XML=NEW.encode()),
    ],
    ids=["plain", "gzip", "zip", "zip of two"],
)
def test_a_file_is_unpacked_by_what_it_is(packed: bytes) -> None:
    assert unpacked(packed) == NEW.encode()


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (gzip.compress(bytes(MAX_XML_BYTES + 1)), "more than 50 MB"),
        (zipped(r_xml=bytes(MAX_XML_BYTES + 1)), "more than 50 MB"),
        (gzip.compress(NEW.encode())[:-20], "cut off"),
        (b"\x1f\x8bnonsense", "broken"),
        (b"PK\x03\x04nonsense", "cannot be unpacked"),
        (zipped(), "no XML"),
        (zipped(zipfile.ZIP_BZIP2, r_xml=bytes(MAX_XML_BYTES + 1)), "in a way that no report is"),
        (zipped(zipfile.ZIP_LZMA, r_xml=NEW.encode()), "in a way that no report is"),
        (zipped(**{f"{number}_xml": b"" for number in range(101)}), "more than 100 files"),
        (zipped(r_xml=NEW.encode()).replace(b"\x00\x00r.xml", b"\x08\x08\xff.xml"), "cannot be unpacked"),
        (b"<feedback>" + b"<a/>" * MAX_ELEMENTS, "elements"),
        (BOMB.encode(), "document type"),
        (b"<feedback>" * 31, "nested"),
        (b"<feedback/>", "no aggregate report"),
        (b"<html><body>hi</body></html>", "no aggregate report"),
        (b"", "no XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><feedback/>', "no XML"),
        (NEW.encode()[:-20], "no XML"),
    ],
)
def test_what_is_no_report_or_too_large_is_refused_in_plain_words(packed: bytes, why: str) -> None:
    with pytest.raises(ReportUnreadableError, match=why):
        read_report(unpacked(packed))


def test_texts_and_numbers_of_strangers_are_bounded() -> None:
    endless = NEW.replace("Mail &amp; More", "\x41" * 100_000).replace("<count>12<", "<count>" + "9" * 5000 + "<")
    report = read_report(endless.replace("r-1", "a&#10;b&#x202e;c").encode())
    assert len(report.organization) == 2000
    assert report.rows[0].count == 0
    assert report.report_id == "a b c"


FILES = (NEW.encode(), gzip.compress(NEW.encode(), mtime=0), zipped(r_xml=NEW.encode()), OLD.encode())
CHANGES = st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=3)), min_size=1, max_size=4)


@settings(deadline=None)
@given(st.sampled_from(FILES), CHANGES)
def test_a_damaged_file_is_a_report_on_a_domain_or_told_to_be_none(
    file: bytes, changes: list[tuple[int, bytes]]
) -> None:
    damaged = file
    for at, octets in changes:
        damaged = damaged[:at] + octets + damaged[at + 1 :]
    check_that_it_is_a_report_or_told_to_be_none(damaged)


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"<feedback>{text}</feedback>".encode()))
def test_no_file_makes_it_fail_in_another_way(data: bytes) -> None:
    check_that_it_is_a_report_or_told_to_be_none(data)


def check_that_it_is_a_report_or_told_to_be_none(data: bytes) -> None:
    try:
        report = read_report(unpacked(data))
    except ReportUnreadableError as error:
        told = str(error)
    else:
        check_report(report, data)
        return
    assert told


def check_report(report: Report, data: bytes) -> None:
    assert report.policy.domain
    assert len(report.rows) <= data.count(b"<record>") or not data.startswith(b"<")
    assert next(in_words(report)).endswith(f"about mail from {report.policy.domain}")
