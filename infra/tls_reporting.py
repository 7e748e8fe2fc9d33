"""Reports on TLS sent (RFC 8460): one mail a domain and day, from the operator's mailbox, like any that it sends.

The submission's command id names domain and day, so that a crash between it and the end of the counts sends nothing
twice. Only what is over for some hours is told: relays bring their counts every few seconds, by the day they counted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from domain.addresses import EmailAddress
from domain.decisions import SubmitNew
from domain.events import SubmissionRecipient, Who
from domain.ids import MailboxId
from gateways.appending import Appender
from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.own_mail import derived_id
from gateways.described_mail import stored_mail
from gateways.mime.parse import parse
from gateways.tls_reports.destinations import wanted_at
from gateways.tls_reports.letter import letter
from gateways.tls_reports.report import Report
from infra.postgres_queue import Connect
from infra.tls_counts import forget_sessions, known_policy, sessions_counted, tls_counted

AT_ONCE: Final = 200
SETTLED: Final = timedelta(hours=1)
"""After midnight, when all relays have told what they counted."""
GIVEN_UP: Final = timedelta(days=3)
"""What is older is told to nobody: a domain's DNS did not answer, or reports were off."""
_UNLIMITED: Final = 10**9
_WHO = Who(actor="system", client="TLS reports")


class TlsReporting:
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
        before = (datetime.fromtimestamp(now_ms / 1000, UTC) - SETTLED).date()
        due = tls_counted(self._connect, since=before - GIVEN_UP, before=before, limit=AT_ONCE)
        return sum(self._report(day, domain, now_ms) for day, domain in due)

    def _report(self, day: date, domain: str, now_ms: int) -> bool:
        try:
            wanted = asyncio.run(self._wanted(domain))
        except DnsTemporaryError:
            return False
        sent = bool(wanted) and self._send(self._written(day, domain), wanted, now_ms)
        forget_sessions(self._connect, day, domain)
        return sent

    async def _wanted(self, domain: str) -> Sequence[EmailAddress]:
        return await wanted_at(self._resolver(), domain)

    def _written(self, day: date, domain: str) -> Report:
        return Report(
            organization=self._hostname,
            contact=str(self._sender),
            report_id=f"{derived_id(f'tls:{domain}:{day}')}@{self._hostname}",
            domain=domain,
            day=day,
            counted=sessions_counted(self._connect, day, domain),
            sts_policy=known_policy(self._connect, domain),
        )

    def _send(self, report: Report, to: Sequence[EmailAddress], now_ms: int) -> bool:
        if not report.counted:  # another process has sent it meanwhile
            return False
        raw = letter(report, sender=self._sender, to=to, now_ms=now_ms)
        blob = mail_blob_name(report.report_id.partition("@")[0], now_ms)
        command = SubmitNew(
            mailbox_id=self._mailbox_of(self._sender),
            command_id=f"tls-report:{report.domain}:{report.day}",
            who=_WHO,
            message=stored_mail(self._blobs, raw, parse(raw), blob=blob, received_at=now_ms, touch=self._touch),
            recipients=tuple(SubmissionRecipient(str(address), notify=("NEVER",)) for address in to),
            mail_from=str(self._sender),
            send_at_ms=now_ms,
            undo_until_ms=now_ms,
            stream="transactional",
            per_minute=_UNLIMITED,
            per_day=_UNLIMITED,
        )
        return not self._appender.run(command).repeated
