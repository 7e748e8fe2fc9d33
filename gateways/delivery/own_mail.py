"""What mails that this server itself writes have in common: header, envelope, and an id derived from what they tell."""

import hashlib
from email.utils import formatdate

from gateways.envelope import Envelope, Recipient


def derived_id(told: str) -> str:
    """The acceptance id of what is told: telling it again, after a crash, sends nothing twice."""
    return "a" + hashlib.sha256(told.encode()).hexdigest()[:31]


def header(
    to: str, subject: str, *, acceptance_id: str, hostname: str, now_ms: int, submitted: str = "auto-generated"
) -> str:
    """The header as far as MIME-Version; `submitted` is the keyword of Auto-Submitted (RFC 3834 section 5.1)."""
    return (
        f"From: Mail Delivery System <mailer-daemon@{hostname}>\r\n"
        f"To: <{one_line(to)}>\r\n"
        f"Subject: {subject}\r\n"
        f"Date: {formatdate(now_ms / 1000)}\r\n"
        f"Message-ID: <{acceptance_id}@{hostname}>\r\n"
        f"Auto-Submitted: {submitted}\r\n"
        "MIME-Version: 1.0\r\n"
    )


TEXT = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
"""The end of the header of a mail that is all text."""


def notice_envelope(raw: bytes, to: Recipient, acceptance_id: str, *, hostname: str, now_ms: int) -> Envelope:
    """The envelope of what this server itself has to say: from the null reverse-path (RFC 5321 section 4.5.5)."""
    return Envelope(
        acceptance_id=acceptance_id,
        received_at=now_ms,
        reverse_path="",
        recipients=(to,),
        body_type="8BITMIME",
        smtputf8=False,
        requiretls=False,
        ret=None,
        envid=None,
        helo=hostname,
        peer="127.0.0.1",
        protocol="ESMTP",
        tls=None,
        hostname=hostname,
        size_bytes=len(raw),
        content_sha256=hashlib.sha256(raw).hexdigest(),
        source="notification",
    )


def one_line(text: str) -> str:
    """The text in one bounded line without control characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:900]
