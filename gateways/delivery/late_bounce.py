"""What a sender is told of a message that had left and came back: a delivery status notification (RFC 3464) in our own
words, through the queue like any other.

Everything about it follows from the bounce: telling it again after a crash sends the same mail under the same id, which
is delivered once. Nothing of the report that arrived is in it but the one line that the far server said.
"""

from collections.abc import Callable

import msgspec

from domain.ids import MailboxId, SubmissionId
from gateways.blobs import Blobs, mail_blob_name
from gateways.delivery.own_mail import derived_id, header, notice_envelope, one_line
from gateways.envelope import Recipient
from gateways.queue import Queue, QueueRecord


class LateBounce(msgspec.Struct, frozen=True, kw_only=True):
    """The submission's recipient (its place from 0) did not get the message that counted as sent."""

    mailbox_id: MailboxId
    submission_id: SubmissionId
    place: int
    to: str
    """The address of the sender, who is told."""
    recipient: str
    status: str
    diagnostic: str
    is_hard: bool


class LateBounces:
    """Puts notices to senders into the queue."""

    def __init__(self, *, queue: Queue, blobs: Blobs, hostname: str, clock_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname
        self._clock_ms = clock_ms

    def tell(self, bounce: LateBounce) -> None:
        """Durable in the queue on return. Safe to repeat.

        Raises: QueueUnavailableError, StorageFullError, OSError.
        """
        now_ms = self._clock_ms()
        acceptance_id = derived_id(f"late:{bounce.mailbox_id}:{bounce.submission_id}:{bounce.place}")
        raw = self._written(bounce, acceptance_id, now_ms)
        blob = mail_blob_name(acceptance_id, now_ms)
        self._queue.expect(blob, size_bytes=len(raw))
        self._blobs.put(blob, raw)
        to = Recipient(bounce.to, notify=("NEVER",))
        envelope = notice_envelope(raw, to, acceptance_id, hostname=self._hostname, now_ms=now_ms)
        smtputf8 = not f"{bounce.to}{bounce.recipient}".isascii()
        self._queue.put(QueueRecord(envelope=msgspec.structs.replace(envelope, smtputf8=smtputf8), blob=blob))

    def _written(self, bounce: LateBounce, acceptance_id: str, now_ms: int) -> bytes:
        boundary, recipient = f"=_{acceptance_id}", one_line(bounce.recipient)
        beginning = header(
            bounce.to,
            "Undelivered mail returned to sender",
            acceptance_id=acceptance_id,
            hostname=self._hostname,
            now_ms=now_ms,
            submitted="auto-replied",
        )
        text = (
            f"{beginning}"
            f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n\r\n'
            f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            "A message of yours had been handed over to the recipient's mail server, which\r\n"
            "reported afterwards that it could not be delivered to:\r\n\r\n"
            f"<{recipient}>\r\n    {one_line(bounce.diagnostic) or 'no reason was given'}\r\n\r\n"
            f"{_CONSEQUENCE if bounce.is_hard else ''}"
            f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
            f"Reporting-MTA: dns; {self._hostname}\r\n\r\n"
            f"Final-Recipient: {'rfc822' if recipient.isascii() else 'utf-8'}; {recipient}\r\nAction: failed\r\n"
            f"Status: {bounce.status or '5.0.0'}\r\nDiagnostic-Code: smtp; {one_line(bounce.diagnostic)}\r\n\r\n"
            f"--{boundary}--\r\n"
        )
        return text.encode(errors="replace")


_CONSEQUENCE = (
    "The address does not take mail. What you send to it from now on is held back;\r\n"
    "if it works again, ask your postmaster to take it off your suppression list.\r\n\r\n"
)
