"""The summary of a message as every list, search and sync shows it, made by joining bytes."""

import msgspec

from domain.rows import MessageRow
from domain.times import rfc3339

_encode = msgspec.json.Encoder().encode
NO_PERSONAL = b'"from":[],"to":[],"cc":[],"subject":"","snippet":"","date":null,"attachments":[],"redacted":true'
"""What stands for the personal part where the message's own key is gone."""


def summary_json(row: MessageRow) -> bytes:
    """`MessageSummary` of the HTTP contract, and `attachments` (name, type and size of each)."""
    personal = NO_PERSONAL if row.summary is None else bytes(row.summary)[1:-1]
    facts = b'{"id":"%b","thread_id":"%b","received_at":"%b","listed_at":"%b","size":%d,"labels":%b,"keywords":%b,' % (
        row.message_id.encode(),
        row.thread_id.encode(),
        rfc3339(row.received_at).encode(),
        rfc3339(row.listed_at).encode(),
        row.size,
        _encode(row.labels),
        _encode(row.keywords),
    )
    attached = b'"has_attachment":%b,' % (b"true" if row.has_attachment else b"false")
    return b'%b%b%b,"seq":%d}' % (facts, attached, personal, row.changed_seq)
