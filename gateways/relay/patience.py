"""How long another host may take, and how much it may say; every bound with the text that decides it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that one step of a session may take (RFC 5321 section 4.5.3.2), and other bounds of it."""

    connect_s: float = 30.0
    greeting_s: float = 300.0
    """Section 4.5.3.2.1; EHLO, STARTTLS and what else stands before mail likewise."""
    handshake_s: float = 60.0
    mail_s: float = 300.0
    """Section 4.5.3.2.2."""
    recipient_s: float = 300.0
    """Section 4.5.3.2.3."""
    data_s: float = 120.0
    """From DATA to 354: section 4.5.3.2.4."""
    block_s: float = 180.0
    """Until the far side takes the next piece of content: section 4.5.3.2.5."""
    end_s: float = 600.0
    """From the last dot to its reply: section 4.5.3.2.6."""
    quit_s: float = 5.0
    idle_s: float = 5.0
    """How long a connection stays open for another mail."""
    transaction_s: float = 1_800.0
    """One mail in all."""
    attempt_s: float = 1_200.0
    """After so long no further host is tried in one attempt."""
    addresses: int = 5
    """Tried in one attempt."""
    mails_per_connection: int = 100
    recipients: int = 100
    """Of one transaction: what every host takes (section 4.5.3.1.8)."""


REPLY_LINE_BYTES = 4_096
"""One line of a reply; section 4.5.3.1.5 asks for 512."""
REPLY_LINES = 128
REPLY_CHARS = 2_000
"""How much of a reply is kept."""
PIECE_BYTES = 64 * 1024
"""Of content, written at a time."""
