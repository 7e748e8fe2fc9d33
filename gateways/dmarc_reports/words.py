"""A report in plain words, a line a sender, the most mail first."""

from collections.abc import Iterator, Sequence
from typing import Final

from domain.times import rfc3339
from gateways.dmarc_reports.report import Report, Row

MOST_SHOWN: Final = 50
_DONE = {"quarantine": "put into spam", "reject": "refused"}


def in_words(report: Report, *, most: int = MOST_SHOWN) -> Iterator[str]:
    """Lines of text."""
    policy = report.policy
    yield f"{report.organization or 'somebody'} about mail from {policy.domain}"
    yield f"  from {_day(report.begin)} to {_day(report.end)}, report {report.report_id or 'without an id'}"
    yield f"  {policy.domain} asks for {policy.policy or 'none'} of what is not proven to be its own"
    rows = sorted(report.rows, key=lambda row: -row.count)
    proven = [row for row in rows if _is_proven(row)]
    yield f"  {_sum(rows)} messages, {_sum(proven)} proven, {_sum(rows) - _sum(proven)} not"
    for row in rows[:most]:
        yield f"  {_line(row)}"
    if len(rows) > most:
        yield f"  and {_sum(rows[most:])} messages of {len(rows) - most} other kinds"


def _line(row: Row) -> str:
    how = [method for method, result in (("DKIM", row.dkim), ("SPF", row.spf)) if result == "pass"]
    said = f"proven by {' and '.join(how)}" if how else "NOT PROVEN"
    done = _DONE.get(row.disposition, "delivered")
    why = f", because of {row.reason}" if row.reason else ""
    return f"{row.count:>6}  from {row.source_ip:<15}  as {row.header_from}: {said}, {done}{why}{_told(row)}"


def _told(row: Row) -> str:
    """What SPF and DKIM found, where nothing is proven: it tells who sends there."""
    if _is_proven(row) or not row.proofs:
        return ""
    found = ", ".join(f"{one.method} {one.result or '?'} for {one.domain or '?'}" for one in row.proofs[:5])
    return f" ({found})"


def _is_proven(row: Row) -> bool:
    return "pass" in (row.dkim, row.spf)


def _sum(rows: Sequence[Row]) -> int:
    return sum(row.count for row in rows)


def _day(unix_s: int) -> str:
    return rfc3339(min(unix_s, 253_402_300_799) * 1000)[:16].replace("T", " ")
