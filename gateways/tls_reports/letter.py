"""The mail that brings a report (RFC 8460 sections 5.1 and 5.3): a multipart/report of type tlsrpt."""

import base64
import gzip
from collections.abc import Sequence
from email.utils import formatdate

from domain.addresses import EmailAddress
from gateways.tls_reports.report import Report, write_report


def letter(report: Report, *, sender: EmailAddress, to: Sequence[EmailAddress], now_ms: int) -> bytes:
    """The message, of lines that every host takes. Hostname, domain and addresses hold no line ends."""
    packed = gzip.compress(write_report(report), mtime=0)
    name = f"{report.organization}!{report.domain}!{_seconds(report)}!{_seconds(report) + 86_399}.json.gz"
    boundary = f"=_{report.report_id.partition('@')[0]}"
    encoded = base64.encodebytes(packed).decode().replace("\n", "\r\n")
    return (
        f"From: TLS reports <{sender}>\r\n"
        f"To: {', '.join(f'<{one}>' for one in to)}\r\n"
        f"Subject: Report Domain: {report.domain} Submitter: {report.organization}\r\n"
        f" Report-ID: <{report.report_id}>\r\n"
        f"Date: {formatdate(now_ms / 1000)}\r\n"
        f"Message-ID: <{report.report_id}>\r\n"
        f"TLS-Report-Domain: {report.domain}\r\n"
        f"TLS-Report-Submitter: {report.organization}\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        f"This is the report of {report.organization} on TLS with the mail hosts\r\nof {report.domain}.\r\n\r\n"
        f"--{boundary}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n\tfilename="{name}"\r\n\r\n'
        f"{encoded}\r\n--{boundary}--\r\n"
    ).encode()


def _seconds(report: Report) -> int:
    """The beginning of its day in unix seconds."""
    return (report.day.toordinal() - EPOCH_DAY) * 86_400


EPOCH_DAY = 719_163
"""1970-01-01, as `date.toordinal` counts."""
