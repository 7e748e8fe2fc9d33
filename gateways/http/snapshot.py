"""The bootstrap of a new device: all messages in pages, newest first, and the seq to sync from afterwards."""

import msgspec

from gateways.http.operations import Answer, Call, Operation, PagedRead
from gateways.http.shapes import Snapshot


class SnapshotQuery(PagedRead, frozen=True, kw_only=True):
    """A page of the snapshot that `cursor` continues."""


def read_snapshot(call: Call[SnapshotQuery, None]) -> Answer:
    """A page; labels and counts on the first one."""
    asked = call.query
    page, seq = call.parts.lists.snapshot(call.mailbox_id, cursor=asked.cursor or None, limit=asked.limit)
    rows, cursor = b",".join(page.rows), msgspec.json.encode(page.cursor)
    body = b'{"seq":%d,"messages":[%b],"cursor":%b' % (seq, rows, cursor)
    if not asked.cursor:
        labels = msgspec.json.encode(call.parts.facts.labels(call.mailbox_id))
        counts = msgspec.json.encode(call.parts.facts.counts(call.mailbox_id))
        body += b',"labels":%b,"counts":%b' % (labels, counts)
    return Answer(body + b"}")


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/snapshot",
        summary="The bootstrap of a new device",
        run=read_snapshot,
        query=SnapshotQuery,
        answers={200: Snapshot},
        errors=("cursor_invalid",),
        tag="sync",
    ),
)
