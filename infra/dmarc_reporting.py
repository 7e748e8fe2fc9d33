"""Aggregate reports sent: one mail a domain and day, from the operator's mailbox, like any that it sends.

The submission's command id names domain and day, so that a crash between it and the end of the counts sends nothing
twice.
"""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from domain.addresses import EmailAddress
from domain.decisions import SubmitNew
from domain.decisions.delivery import Composed
from domain.events import SubmissionRecipient, Who
from domain.ids import MailboxId
from gateways.appending import Appender
from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.own_mail import derived_id
from gateways.described_mail import stored_mail
from gateways.dmarc_reports.destinations import Destination, published
from gateways.dmarc_reports.report import Policy, Report
from gateways.dmarc_reports.writing import write_report
from gateways.mime.compose import AttachedFile, Composition, compose
from gateways.mime.parse import parse
from gateways.mime.structure import Address
from infra.dmarc_counts import counted_before, forget_counts, rows_counted
from infra.postgres_queue import Connect

AT_ONCE: Final = 200
SETTLED: Final = timedelta(hours=1)
"""After midnight, when all processes have told what they counted."""
GIVEN_UP: Final = timedelta(days=3)
"""After so long a domain whose DNS does not answer gets no report."""
MOST_BYTES: Final = 10 * 2**20
"""Of a report once it is packed; one that is larger loses its rarest rows."""
_UNLIMITED: Final = 10**9
_WHO = Who(actor="system", client="dmarc reports")


class DmarcReporting:
    """Sends what is due; a duty of `infra.timers`."""

    def __init__(
        self,
        *,
        connect: Connect,
        resolver: Callable[[], Resolver],
        blobs: Blobs,
        appender: Appender,
        touch: Callable[[Mapping[str, int]], None],
        sender: EmailAddress,
        mailbox_of: Callable[[EmailAddress], MailboxId],
        hostname: str,
    ) -> None:
        """`resolver` makes one for an event loop; `sender` is the operator's address."""
        self._connect = connect
        self._resolver = resolver
        self._blobs = blobs
        self._appender = appender
        self._touch = touch
        self._sender = sender
        self._mailbox_of = mailbox_of
        self._hostname = hostname

    def run_due(self, now_ms: int) -> int:
        """Report what was counted on days that are over; how many reports were sent. Safe to repeat and to race.

        Raises: outages of servers; then what was not reported is due again.
        """
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        due = counted_before(self._connect, (now - SETTLED).date(), limit=AT_ONCE)
        return sum(self._report(day, domain, now) for day, domain in due)

    def _report(self, day: date, domain: str, now: datetime) -> bool:
        try:
            found = asyncio.run(self._published(domain))
        except DnsTemporaryError:
            if now.date() > day + GIVEN_UP:
                forget_counts(self._connect, day, domain)
            return False
        sent = False
        if found is not None and found[1]:
            sent = self._send(self._written(day, found[0]), found[1], now)
        forget_counts(self._connect, day, domain)
        return sent

    async def _published(self, domain: str) -> tuple[Policy, list[Destination]] | None:
        return await published(self._resolver(), domain)

    def _written(self, day: date, policy: Policy) -> Report:
        begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        return Report(
            organization=self._hostname,
            email=str(self._sender),
            report_id=f"{derived_id(f'dmarc:{policy.domain}:{day}')}@{self._hostname}",
            begin=begin,
            end=begin + 86_399,
            policy=policy,
            rows=rows_counted(self._connect, day, policy.domain),
        )

    def _send(self, report: Report, wanted: list[Destination], now: datetime) -> bool:
        packed, rows = _packed(report), report.rows
        while len(packed) > MOST_BYTES:
            rows = rows[: len(rows) // 2]
            packed = _packed(msgspec.structs.replace(report, rows=rows))
        going_to = [one.address for one in wanted if one.most_bytes is None or len(packed) <= one.most_bytes]
        if not going_to or not rows:
            return False
        now_ms = int(now.timestamp() * 1000)
        command = SubmitNew(
            mailbox_id=self._mailbox_of(self._sender),
            command_id=f"dmarc-report:{report.policy.domain}:{report.begin}",
            who=_WHO,
            message=self._stored(report, packed, going_to, now_ms),
            recipients=tuple(SubmissionRecipient(str(address), notify=("NEVER",)) for address in going_to),
            mail_from=str(self._sender),
            send_at_ms=now_ms,
            undo_until_ms=now_ms,
            stream="transactional",
            per_minute=_UNLIMITED,
            per_day=_UNLIMITED,
        )
        return not self._appender.run(command).repeated

    def _stored(self, report: Report, packed: bytes, to: list[EmailAddress], now_ms: int) -> Composed:
        domain = report.policy.domain
        name = f"{self._hostname}!{domain}!{report.begin}!{report.end}.xml.gz"  # RFC 9990 section 3.1.2
        raw = compose(
            Composition(
                from_=(Address("DMARC reports", str(self._sender)),),
                message_id=report.report_id,
                date_ms=now_ms,
                to=tuple(Address("", str(address)) for address in to),
                subject=f"Report Domain: {domain} Submitter: {self._hostname} Report-ID: <{report.report_id}>",
                text=f"This is the DMARC aggregate report of {self._hostname} on mail from {domain}.\r\n",
                attachments=(AttachedFile(name, "application/gzip", packed),),
                headers=(("Auto-Submitted", "auto-generated"),),
            )
        )
        parsed, blob = parse(raw), mail_blob_name(report.report_id.partition("@")[0], now_ms)
        return stored_mail(self._blobs, raw, parsed, blob=blob, received_at=now_ms, touch=self._touch)


def _packed(report: Report) -> bytes:
    return gzip.compress(write_report(report), mtime=0)
