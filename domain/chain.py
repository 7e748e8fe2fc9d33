"""The hash chain of a stream: nothing that an auditor asks about can be altered unseen."""

import hashlib
import struct

GENESIS = bytes(32)
"""What stands before the first event."""

_PREFIX = b"ledgermail-event-1"


def event_hash(
    before: bytes, mailbox_id: str, seq: int, *, topic: str, recorded_at: int, key_id: str, sealed: bytes
) -> bytes:
    """SHA-256 over the prefix and, each with its length before it (8 octets, big-endian), the seven parts.

    The parts in order: the hash before, mailbox id, seq, topic, recorded_at (unix milliseconds), key id, sealed bytes;
    texts are UTF-8, numbers 8 octets big-endian. Golden vectors: `tests/vectors/chain.json`.
    """
    parts = (
        before,
        mailbox_id.encode(),
        struct.pack(">q", seq),
        topic.encode(),
        struct.pack(">q", recorded_at),
        key_id.encode(),
        sealed,
    )
    return hashlib.sha256(_PREFIX + b"".join(struct.pack(">Q", len(part)) + part for part in parts)).digest()
