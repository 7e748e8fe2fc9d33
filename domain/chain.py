"""The hash chain of a stream: nothing that an auditor asks about can be altered unseen."""

import hashlib
import struct

GENESIS = bytes(32)
"""What stands before the first event."""

_PREFIX = b"ledgermail-event-1"
_LENGTH = struct.Struct(">Q").pack
_NUMBER = struct.Struct(">Qq").pack
"""A number with its length, 8, before it."""


def event_hash(
    before: bytes, mailbox_id: str, seq: int, *, topic: str, recorded_at: int, key_id: str, sealed: bytes
) -> bytes:
    """SHA-256 over the prefix and, each with its length before it (8 octets, big-endian), the seven parts.

    The parts in order: the hash before, mailbox id, seq, topic, recorded_at (unix milliseconds), key id, sealed bytes;
    texts are UTF-8, numbers 8 octets big-endian. Golden vectors: `tests/vectors/chain.json`.
    """
    mailbox, kind, key = mailbox_id.encode(), topic.encode(), key_id.encode()
    head = b"".join(
        (
            _PREFIX,
            _LENGTH(len(before)),
            before,
            _LENGTH(len(mailbox)),
            mailbox,
            _NUMBER(8, seq),
            _LENGTH(len(kind)),
            kind,
            _NUMBER(8, recorded_at),
            _LENGTH(len(key)),
            key,
            _LENGTH(len(sealed)),
            sealed,
        )
    )
    return hashlib.sha256(head).digest()
