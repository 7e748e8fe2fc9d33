"""What a message lacks when its author's program hands it over (RFC 6409 section 8): Date, Message-ID, Received."""

from email.utils import formatdate

from gateways.envelope import Envelope
from gateways.mime.compose import new_message_id
from gateways.mime.header_fields import Fields


def completed(raw: bytes, fields: Fields, envelope: Envelope, *, send_at_ms: int) -> bytes:
    """The message behind a Received field, under a Date and a Message-ID; what it has stays as it is.

    Received names neither the client's address nor what the client calls itself: where people write from is nobody's
    business but theirs, and stands in their own log.
    """
    lines = [
        "Received: from localhost (signed in)",
        f"\tby {envelope.hostname} with {envelope.protocol} id {envelope.acceptance_id};",
        f"\t{formatdate(envelope.received_at / 1000)}",
    ]
    if not _says(fields, b"date"):
        lines.append(f"Date: {formatdate(send_at_ms / 1000)}")
    if not _says(fields, b"message-id"):
        lines.append(f"Message-ID: <{new_message_id(envelope.hostname)}>")
    return ("\r\n".join(lines) + "\r\n").encode() + raw


def _says(fields: Fields, name: bytes) -> bool:
    return any(value.strip() for value in fields.get(name, ()))
