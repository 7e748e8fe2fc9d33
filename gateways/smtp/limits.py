"""The bounds of reception: every one a setting, each with the text that decides it."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of anything one sender may use."""

    message_bytes: int = 36 * MIB
    """25 MB of attachments once encoded; announced by SIZE (RFC 1870)."""
    recipients: int = 100
    """Of one message; never below 100 (RFC 5321 section 4.5.3.1.8)."""
    command_bytes: int = 2048
    """One command line with its CRLF: RFC 5321 section 4.5.3.1.4 asks for 512 and more for extensions."""
    errors: int = 20
    """Commands that were wrong, before the connection is ended."""
    refused_recipients: int = 100
    """Recipients refused on one connection, before it is ended: nobody reads our directory by trying names."""
    free_refused_recipients: int = 10
    """Recipients refused before each further one is answered later than the one before."""
    refusal_pause_s: float = 0.5
    """How much later; 0: never."""
    longest_refusal_pause_s: float = 10.0
    commands_without_mail: int = 1_000
    transactions: int = 10_000
    """Messages begun on one connection."""
    received_fields: int = 50
    """More of them is a loop (RFC 5321 section 6.3)."""
    header_bytes: int = MIB
    """How far into the header block loops are looked for."""
    write_bytes: int = 48 * 1024
    """Content that a session gathers before it writes to its spool."""
    command_timeout_s: float = 300.0
    """RFC 5321 section 4.5.3.2.7."""
    data_timeout_s: float = 600.0
    """Between two pieces of content; RFC 5321 section 4.5.3.2 asks for 3 to 10 minutes."""
    mail_timeout_s: float = 1800.0
    """Overall, from one accepted message to the next: who sends an octet a minute is not waited for."""
    greeting_delay_s: float = 0.0
    """Who talks before the greeting is no mail server; above 0 such clients are found and refused."""
    connections: int = 1_000
    connections_per_address: int = 100
    new_connections_per_s: int = 100
    """From one address, an IPv6 one counted with its /64."""
