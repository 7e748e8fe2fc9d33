"""A report written as XML (RFC 9990 section 3.1 and appendix A), with what strangers wrote in it escaped."""

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from gateways.dmarc_reports.report import Policy, Proof, Report, Row

NAMESPACE: Final = "urn:ietf:params:xml:ns:dmarc-2.0"
GENERATOR: Final = "ledgermail"


def write_report(report: Report) -> bytes:
    """The report in UTF-8."""
    return "".join(_feedback(report)).encode()


def _feedback(report: Report) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="{NAMESPACE}">\n<version>1.0</version>\n'
    yield "<report_metadata>"
    yield _element("org_name", report.organization) + _element("email", report.email)
    yield _element("report_id", report.report_id)
    yield f"<date_range>{_element('begin', str(report.begin))}{_element('end', str(report.end))}</date_range>"
    yield _element("generator", GENERATOR) + "</report_metadata>\n"
    yield _published(report.policy)
    for row in report.rows:
        yield _record(row)
    yield "</feedback>\n"


def _published(policy: Policy) -> str:
    told = (
        ("domain", policy.domain),
        ("p", policy.policy),
        ("sp", policy.subdomains),
        ("np", policy.missing),
        ("adkim", policy.dkim_alignment),
        ("aspf", policy.spf_alignment),
        ("discovery_method", "treewalk"),
        ("testing", policy.testing),
    )
    return f"<policy_published>{''.join(_element(name, text) for name, text in told if text)}</policy_published>\n"


def _record(row: Row) -> str:
    why = f"<reason>{_element('type', row.reason)}</reason>" if row.reason else ""
    judged = _element("disposition", row.disposition) + _element("dkim", row.dkim) + _element("spf", row.spf) + why
    envelope_from = _element("envelope_from", row.envelope_from) if row.envelope_from else ""
    return (
        f"<record><row>{_element('source_ip', row.source_ip)}{_element('count', str(row.count))}"
        f"<policy_evaluated>{judged}</policy_evaluated></row>"
        f"<identifiers>{envelope_from}{_element('header_from', row.header_from)}</identifiers>"
        f"<auth_results>{''.join(_result(proof) for proof in row.proofs)}</auth_results></record>\n"
    )


def _result(proof: Proof) -> str:
    label = _element("selector" if proof.method == "dkim" else "scope", proof.label) if proof.label else ""
    told = _element("domain", proof.domain) + label + _element("result", proof.result)
    return f"<{proof.method}>{told}</{proof.method}>"


def _element(name: str, text: str) -> str:
    """An element; what XML cannot hold is left out of it."""
    return f"<{name}>{escape(''.join(char for char in text if char.isprintable()))}</{name}>"
