"""How much, how often and for how long."""

from dataclasses import dataclass

from infra.settings.variable import GIB, KIB, MIB, count


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much, how often and for how long."""

    max_message_bytes: int = count(
        "MAX_MESSAGE_BYTES", 36 * MIB, "Largest message taken; above it 552 5.3.4.", least=64 * KIB, most=GIB
    )
    max_attachment_bytes: int = count(
        "MAX_ATTACHMENT_BYTES", 25 * MIB, "Largest attachment uploaded, before encoding.", least=KIB, most=GIB
    )
    split_attachment_bytes: int = count(
        "SPLIT_ATTACHMENT_BYTES", 64 * KIB, "Attachments above this are stored once for all messages.", least=KIB
    )
    max_recipients: int = count(
        "MAX_RECIPIENTS",
        100,
        "Recipients of one message; above it 452 4.5.3 (RFC 5321 asks for 100).",
        least=100,
        most=10000,
    )
    max_received_fields: int = count(
        "MAX_RECEIVED_FIELDS", 50, "Received fields that mean a mail loop; above it 554 5.4.6.", least=10, most=1000
    )
    connections_per_second: int = count(
        "CONNECTIONS_PER_SECOND", 100, "New SMTP connections a second from one address (IPv6: one /64); above it 421."
    )
    max_connections: int = count(
        "MAX_CONNECTIONS", 1000, "SMTP and LMTP connections at once; above it 421.", most=100_000
    )
    repeat_days: int = count(
        "REPEAT_DAYS", 7, "Days within which the same message to the same mailbox is a sender's repeat.", most=365
    )
    delivery_attempts: int = count(
        "DELIVERY_ATTEMPTS", 3, "Failures of a queued message itself that make it a dead letter.", most=100
    )
    dead_letter_days: int = count(
        "DEAD_LETTER_DAYS", 4, "Days that a dead letter waits for an operator before its sender is told.", most=365
    )
    account_requests_per_second: int = count(
        "ACCOUNT_REQUESTS_PER_SECOND",
        50,
        "HTTP requests a second of an account, four times that at once; above it 429.",
    )
    address_requests_per_second: int = count(
        "ADDRESS_REQUESTS_PER_SECOND", 400, "HTTP requests a second from one address, four times that at once."
    )
    undo_seconds: int = count("UNDO_SECONDS", 10, "Seconds within which sending can be undone.", least=0, most=3600)
    messages_per_minute: int = count("MESSAGES_PER_MINUTE", 25, "Messages an account may send in a minute.")
    messages_per_day: int = count("MESSAGES_PER_DAY", 500, "Messages an account may send in 24 hours.")
    volume_from: int = count(
        "VOLUME_FROM",
        100,
        "Messages in 24 hours from which on ten times an account's usual volume asks for a new sign-in; 0: never.",
        least=0,
    )
    quota_bytes: int = count("QUOTA_BYTES", 15 * GIB, "Bytes that a mailbox may hold.", least=MIB)
    trash_days: int = count("TRASH_DAYS", 30, "Days after which messages leave TRASH and SPAM for good.", most=36500)
    blob_grace_hours: int = count(
        "BLOB_GRACE_HOURS", 24, "Hours that a blob which nothing refers to is kept.", most=24 * 365
    )
