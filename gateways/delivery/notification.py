"""Delivery status notifications (RFC 3464): a multipart/report from the null reverse-path to whoever sent the message.

A notification is a record of the queue like any other, under an acceptance id that is derived from what it tells, so
that a worker which crashed and comes again sends it once. There is none for a notification itself (RFC 5321 section
6.1), nor of what NOTIFY does not ask for (RFC 3461 section 4.1): without it, failures and delays are told.
"""

from collections.abc import Callable, Sequence
from email.utils import formatdate

import msgspec

from gateways.blobs import BlobMissingError, Blobs, mail_blob_name
from gateways.delivery.own_mail import derived_id, header, notice_envelope, one_line
from gateways.envelope import Recipient
from gateways.mail_objects import MailAlteredError, read_mail
from gateways.mime.header_fields import body_offset
from gateways.mime.holes import HoleError, is_packed, unpack
from gateways.queue import Queue, QueueRecord
from gateways.srs import Srs

MAX_QUOTED_HEADER_BYTES = 64 * 1024
MAX_RETURNED_BYTES = 2**20
"""A message no larger is returned whole where RET=FULL asks for that (RFC 3461 section 4.3)."""
UNKNOWN_MAILBOX = "550 5.1.1 no such mailbox here"


class _Action(msgspec.Struct, frozen=True):
    """One of the actions of RFC 3464 section 2.3.3: the NOTIFY keyword that asks to be told, and how it is told."""

    keyword: str
    says: str
    subject: str


_ACTIONS = {
    "failed": _Action("FAILURE", "Your message could not be delivered to:", "Undelivered mail returned to sender"),
    "delayed": _Action(
        "DELAY",
        "Your message has not been delivered yet; it is still being tried for:",
        "Delivery of your mail is delayed",
    ),
    "relayed": _Action(
        "SUCCESS",
        "Your message was passed on to hosts that will not tell of its delivery, for:",
        "Your mail was passed on",
    ),
}


class Bounce(msgspec.Struct, frozen=True):
    """What is told of a recipient (index): the SMTP reply whose second word is its status code (RFC 3463)."""

    recipient: int
    reply: str
    action: str = "failed"
    """Or delayed, or relayed (RFC 3464 section 2.3.3)."""

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
        """Tell the sender of these recipients, where he is to be told. Safe to repeat."""
        envelope = record.envelope
        due = [b for b in bounces if _is_asked_for(b, envelope.recipients[b.recipient].notify)]
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
        told = "\r\n".join(_told(action, recipients) for action in dict.fromkeys(b.action for b in bounces))
        kind, returned = self._returned(record)
        status = "".join(self._recipient_fields(envelope.recipients[b.recipient], path, b) for path, b in recipients)
        envid = f"Original-Envelope-Id: {one_line(envelope.envid)}\r\n" if envelope.envid else ""
        beginning = header(
            envelope.reverse_path,
            _ACTIONS[bounces[0].action].subject,
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
            f"{told}\r\n"
            f"--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
            f"Reporting-MTA: dns; {self._hostname}\r\n{envid}"
            f"Arrival-Date: {formatdate(envelope.received_at / 1000)}\r\n{status}\r\n"
            f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n"
        )
        return text.encode(errors="replace") + returned + f"\r\n--{boundary}--\r\n".encode()

    def _returned(self, record: QueueRecord) -> tuple[str, bytes]:
        """Content type and octets of what is returned of the message: its header, or all of it where RET asks and it
        is one of ours: a stranger's object may not be opened before it was delivered (`read_mail`)."""
        envelope = record.envelope
        if envelope.ret != "FULL" or envelope.source != "sent" or envelope.size_bytes > MAX_RETURNED_BYTES:
            return "text/rfc822-headers", self._header(record)
        try:
            return "message/rfc822", read_mail(self._blobs, record.blob)
        except (BlobMissingError, MailAlteredError):
            return "text/rfc822-headers", self._header(record)

    def _reference(self, record: QueueRecord) -> str:
        message_id = _field(self._header(record), b"message-id")
        return f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n" if message_id else ""

    @staticmethod
    def _recipient_fields(recipient: Recipient, path: str, bounce: Bounce) -> str:
        original = f"Original-Recipient: {one_line(recipient.orcpt)}\r\n" if recipient.orcpt else ""
        kind = "rfc822" if path.isascii() else "utf-8"
        return (
            f"\r\n{original}Final-Recipient: {kind}; {path}\r\nAction: {bounce.action}\r\nStatus: {bounce.status}\r\n"
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
    if bounces[0].action == "delayed":  # told once
        return derived_id(f"delay:{record.acceptance_id}")
    told = ",".join(str(bounce.recipient) for bounce in bounces)
    return derived_id(f"dsn:{record.acceptance_id}:{told}")


def _is_asked_for(bounce: Bounce, notify: Sequence[str]) -> bool:
    keyword = _ACTIONS[bounce.action].keyword
    return keyword in notify if notify else keyword != "SUCCESS"


def _told(action: str, recipients: Sequence[tuple[str, Bounce]]) -> str:
    lines = "".join(f"<{path}>\r\n    {one_line(b.reply)}\r\n" for path, b in recipients if b.action == action)
    return f"{_ACTIONS[action].says}\r\n\r\n{lines}"


def _field(header: bytes, name: bytes) -> str:
    """A field's value in one line of printable ASCII without spaces; empty where it is not."""
    for line in header.splitlines():
        key, _colon, value = line.partition(b":")
        if key.strip().lower() == name:
            text = value.strip().decode("ascii", "replace")
            return text if text.isprintable() and text.isascii() and " " not in text else ""
    return ""
