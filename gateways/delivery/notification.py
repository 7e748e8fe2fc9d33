"""Delivery status notifications (RFC 3464): a multipart/report from the null reverse-path to whoever sent the message.

A notification is a record of the queue like any other, under an acceptance id that is derived from what it tells, so
that a worker which crashed and comes again sends it once. There is none for a notification itself (RFC 5321 section
6.1), nor for recipients with NOTIFY=NEVER (RFC 3461 section 4.1).
"""

from collections.abc import Callable, Sequence
from email.utils import formatdate

import msgspec

from gateways.blobs import BlobMissingError, Blobs, mail_blob_name
from gateways.delivery.own_mail import derived_id, header, notice_envelope, one_line
from gateways.envelope import Recipient
from gateways.mime.header_fields import body_offset
from gateways.mime.holes import HoleError, is_packed, unpack
from gateways.queue import Queue, QueueRecord
from gateways.srs import Srs

MAX_QUOTED_HEADER_BYTES = 64 * 1024
UNKNOWN_MAILBOX = "550 5.1.1 no such mailbox here"


class Bounce(msgspec.Struct, frozen=True):
    """What is told of a recipient (index): the SMTP reply whose second word is its status code (RFC 3463)."""

    recipient: int
    reply: str

    @property
    def status(self) -> str:
        """The enhanced status code."""
        words = self.reply.split()
        return words[1] if len(words) > 1 and words[1].count(".") == 2 else "5.0.0"


class Notifications:
    """Puts notifications into the queue."""

    def __init__(
        self, *, queue: Queue, blobs: Blobs, hostname: str, clock_ms: Callable[[], int], srs: Srs | None = None
    ) -> None:
        self._queue = queue
        self._blobs = blobs
        self._hostname = hostname
        self._clock_ms = clock_ms
        self._srs = srs

    def tell(self, record: QueueRecord, bounces: Sequence[Bounce]) -> None:
        """Tell the sender of these recipients, who will not get the message. Safe to repeat."""
        envelope = record.envelope
        due = [b for b in bounces if "NEVER" not in envelope.recipients[b.recipient].notify]
        if not due or not envelope.reverse_path:
            return
        if self._srs is not None:  # of what was forwarded from here, whoever sent it is told
            envelope = msgspec.structs.replace(envelope, reverse_path=self._srs.told(envelope.reverse_path))
            record = msgspec.structs.replace(record, envelope=envelope)
        now_ms = self._clock_ms()
        acceptance_id = _derived_id(record, due)
        raw = self._written(record, due, acceptance_id=acceptance_id, now_ms=now_ms)
        blob = mail_blob_name(acceptance_id, now_ms)
        self._queue.expect(blob, size_bytes=len(raw))
        self._blobs.put(blob, raw)
        sender = Recipient(envelope.reverse_path, notify=("NEVER",))
        told = notice_envelope(raw, sender, acceptance_id, hostname=self._hostname, now_ms=now_ms)
        told = msgspec.structs.replace(told, smtputf8=envelope.smtputf8)
        self._queue.put(QueueRecord(envelope=told, blob=blob))

    def _written(self, record: QueueRecord, bounces: Sequence[Bounce], *, acceptance_id: str, now_ms: int) -> bytes:
        envelope, boundary = record.envelope, f"=_{acceptance_id}"
        recipients = [(one_line(envelope.recipients[b.recipient].forward_path), b) for b in bounces]
        told = "".join(f"<{path}>\r\n    {one_line(b.reply)}\r\n" for path, b in recipients)
        status = "".join(self._recipient_fields(envelope.recipients[b.recipient], path, b) for path, b in recipients)
        envid = f"Original-Envelope-Id: {one_line(envelope.envid)}\r\n" if envelope.envid else ""
        beginning = header(
            envelope.reverse_path,
            "Undelivered mail returned to sender",
            acceptance_id=acceptance_id,
            hostname=self._hostname,
            now_ms=now_ms,
            submitted="auto-replied",
        )
        text = (
            f"{beginning}{self._reference(record)}"
            f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n\r\n'
            f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n"
            f"Your message could not be delivered to:\r\n\r\n{told}\r\n"
            f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
            f"Reporting-MTA: dns; {self._hostname}\r\n{envid}"
            f"Arrival-Date: {formatdate(envelope.received_at / 1000)}\r\n{status}\r\n"
            f"--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        )
        return text.encode(errors="replace") + self._header(record) + f"\r\n--{boundary}--\r\n".encode()

    def _reference(self, record: QueueRecord) -> str:
        message_id = _field(self._header(record), b"message-id")
        return f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n" if message_id else ""

    @staticmethod
    def _recipient_fields(recipient: Recipient, path: str, bounce: Bounce) -> str:
        original = f"Original-Recipient: {one_line(recipient.orcpt)}\r\n" if recipient.orcpt else ""
        kind = "rfc822" if path.isascii() else "utf-8"
        return (
            f"\r\n{original}Final-Recipient: {kind}; {path}\r\nAction: failed\r\nStatus: {bounce.status}\r\n"
            f"Diagnostic-Code: smtp; {one_line(bounce.reply)}\r\n"
        )

    def _header(self, record: QueueRecord) -> bytes:
        """The header of the message returned; nothing where its object is gone."""
        try:
            raw = self._blobs.read(record.blob, length=MAX_QUOTED_HEADER_BYTES)
            if is_packed(raw):
                raw = unpack(self._blobs.read(record.blob)).skeleton[:MAX_QUOTED_HEADER_BYTES]
        except (BlobMissingError, HoleError):
            return b""
        return raw[: body_offset(raw, 0, len(raw))].rstrip(b"\r\n") + b"\r\n"


def _derived_id(record: QueueRecord, bounces: Sequence[Bounce]) -> str:
    told = ",".join(str(bounce.recipient) for bounce in bounces)
    return derived_id(f"dsn:{record.acceptance_id}:{told}")


def _field(header: bytes, name: bytes) -> str:
    """A field's value in one line of printable ASCII without spaces; empty where it is not."""
    for line in header.splitlines():
        key, _colon, value = line.partition(b":")
        if key.strip().lower() == name:
            text = value.strip().decode("ascii", "replace")
            return text if text.isprintable() and text.isascii() and " " not in text else ""
    return ""
