"""A report as JSON (RFC 8460 section 4.4), from what was counted of sessions with a domain's hosts."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

MAX_POLICY_LINES = 100


class Counted(NamedTuple):
    """Sessions of one day under a kind of policy with a host; `result` is empty for those that succeeded."""

    policy: str
    result: str
    host: str
    sessions: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of one day (UTC) to one domain. `sts_policy` is the text of its MTA-STS policy, where known."""

    organization: str
    contact: str
    report_id: str
    domain: str
    day: date
    counted: Sequence[Counted]
    sts_policy: str = ""


def write_report(report: Report) -> bytes:
    """The report in UTF-8."""
    return msgspec.json.encode(
        {
            "organization-name": report.organization,
            "date-range": {
                "start-datetime": f"{report.day}T00:00:00Z",
                "end-datetime": f"{report.day}T23:59:59Z",
            },
            "contact-info": report.contact,
            "report-id": report.report_id,
            "policies": [_policy(report, kind) for kind in sorted({one.policy for one in report.counted})],
        }
    )


def _policy(report: Report, kind: str) -> dict[str, Any]:
    its = [one for one in report.counted if one.policy == kind]
    failures = [one for one in its if one.result]
    told: dict[str, Any] = {
        "policy": {"policy-type": kind, "policy-domain": report.domain} | _sts(report, kind),
        "summary": {
            "total-successful-session-count": sum(one.sessions for one in its if not one.result),
            "total-failure-session-count": sum(one.sessions for one in failures),
        },
    }
    return told | ({"failure-details": list(_details(failures))} if failures else {})


def _sts(report: Report, kind: str) -> dict[str, Any]:
    lines = report.sts_policy.splitlines()[:MAX_POLICY_LINES] if kind == "sts" else []
    hosts = [value.strip() for key, _colon, value in (line.partition(":") for line in lines) if key.strip() == "mx"]
    return {"policy-string": lines, "mx-host": hosts} if lines else {}


def _details(failures: Sequence[Counted]) -> Iterator[dict[str, Any]]:
    for one in failures:
        yield {
            "result-type": one.result,
            "receiving-mx-hostname": one.host,
            "failed-session-count": one.sessions,
        }
