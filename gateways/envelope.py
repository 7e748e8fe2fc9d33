"""The envelope of an accepted message: what the transport said, apart from what the message says of itself.

It travels with the queue record from reception to delivery, encoded by msgspec.
"""

import msgspec
from msgspec import UNSET, UnsetType

from gateways.screening import Screening


class Recipient(msgspec.Struct, frozen=True):
    """One accepted RCPT (RFC 5321 section 4.1.1.3), with its DSN parameters (RFC 3461 sections 4.1 and 4.2)."""

    forward_path: str
    """The address without angle brackets and source route; `postmaster` for the bare `<Postmaster>`."""
    orcpt: str | None = None
    notify: tuple[str, ...] = ()


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One acceptance: a message taken over once, for all its recipients."""

    acceptance_id: str
    """Names the blob and makes delivery idempotent; no other acceptance ever has it."""
    received_at: int
    """Unix milliseconds at the end of the content."""
    reverse_path: str
    """The address without angle brackets; empty for the null reverse-path of a notification."""
    recipients: tuple[Recipient, ...]
    """In the order of their RCPT commands; the same address may stand there twice."""
    body_type: str
    """`7BIT` or `8BITMIME` as declared (RFC 6152); `7BIT` where nothing was."""
    smtputf8: bool
    """Whether the sender asked for SMTPUTF8 (RFC 6531 section 3.4)."""
    requiretls: bool
    ret: str | None
    envid: str | None
    helo: str
    """The argument of EHLO, HELO or LHLO, unverified."""
    peer: str
    """The address of the other side, without a port."""
    protocol: str
    """The `with` of the Received field: `ESMTPS`, `UTF8LMTP` … (RFC 3848, RFC 6531 section 4.3)."""
    tls: str | None
    """Version and cipher, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; nothing for a connection in clear."""
    hostname: str
    """The name of the receiving host: the `by` of the Received field."""
    size_bytes: int
    """Octets of the content as received, after dot-unstuffing."""
    content_sha256: str
    """Lower-case hex digest of those octets."""
    source: str = "inbound"
    submission_id: str | None = None
    sender_mailbox: str | None = None
    screening: Screening | UnsetType = UNSET
    """What was found about the message at the door; unset where nobody looked."""
