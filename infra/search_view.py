"""The following view that feeds the search index: from events to the messages touched, to their documents.

Documents are made of the rows in step and the stored extracts, so that a relabel parses no MIME. Feeding again what was
fed before changes nothing; the index keeps its cursors in the same commit as its documents.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from domain.events import MessageDelivered, RecordedEvent, ThreadsJoined
from domain.ids import MailboxId, MessageId
from domain.rows import MessageRow
from gateways.blobs import BlobMissingError
from gateways.mime.structure import PARSER_VERSION, ParsedMessage
from infra.extracts import unpacked
from infra.store.row_tables import MESSAGES
from projections.search import SearchDocument, SearchIndex

_ROWS = (
    f"SELECT {MESSAGES.columns} FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"  # noqa: S608
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.message_id = ANY (%s)"
)
_EXTRACTS = "SELECT blob, body FROM extracts WHERE blob = ANY (%s) AND parser = %s"

Extract = Callable[[str], ParsedMessage]


def touched_messages(events: Iterable[RecordedEvent]) -> set[MessageId]:
    """The messages whose document these events may change."""
    touched: set[MessageId] = set()
    for recorded in events:
        event = recorded.event
        if isinstance(event, MessageDelivered):
            touched.add(event.id)
        elif isinstance(event, ThreadsJoined):
            touched.update((*event.message_ids, *event.new_ids))
        else:
            touched.update(getattr(event, "message_ids", ()))
            if (one := getattr(event, "message_id", None)) is not None:
                touched.add(one)
    return touched


def document(mailbox_id: MailboxId, row: MessageRow, parsed: ParsedMessage | None) -> SearchDocument:
    """The document of a message; without its extract (the object has gone) only what the row tells."""
    facts = {
        "mailbox_id": mailbox_id,
        "message_id": row.message_id,
        "thread_id": row.thread_id,
        "seq": row.changed_seq,
        "received_at": row.received_at,
        "listed_at": row.listed_at,
        "size": row.size,
        "labels": tuple(row.labels),
        "keywords": tuple(row.keywords),
        "has_attachment": row.has_attachment,
    }
    if parsed is None:
        return SearchDocument(**facts)  # type: ignore[arg-type]
    summary = parsed.summary
    return SearchDocument(
        **facts,  # type: ignore[arg-type]
        subject=summary.subject,
        from_=_shown(summary.from_),
        to=_shown(summary.to),
        cc=_shown(summary.cc),
        bcc=_shown(summary.bcc),
        text=parsed.text,
        filenames=tuple(one.filename for one in parsed.attachments if one.filename),
        message_id_header=summary.message_id or "",
    )


def _shown(addresses: Iterable[Any]) -> tuple[str, ...]:
    return tuple(f"{one.name} {one.address}".strip() for one in addresses)


class SearchView:
    """`FollowingView` over a search index. `settle` is the index's one commit for all mailboxes of a step."""

    name = "search"

    def __init__(self, index: SearchIndex, extract: Extract) -> None:
        self._index = index
        self._extract = extract
        self._upserts: list[SearchDocument] = []
        self._deletes: list[tuple[MailboxId, MessageId]] = []
        self._cursors: dict[MailboxId, int] = {}

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """What the index itself has, should it have lost its folder or been switched to another generation."""
        return min(applied_seq, self._index.cursor(mailbox_id))

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> None:
        """Gather the documents of the messages that these events touch."""
        touched = sorted(touched_messages(events))
        with connection.cursor(row_factory=tuple_row) as cursor:
            rows = [MESSAGES.row(v) for v in cursor.execute(_ROWS.encode(), (mailbox_id, touched)).fetchall()]
        live = {row.message_id: row for row in rows if row.destroyed_seq is None}
        extracts = self._extracts(connection, {row.blob for row in live.values()})
        self._upserts += [document(mailbox_id, row, extracts.get(row.blob)) for row in live.values()]
        self._deletes += [(mailbox_id, message_id) for message_id in touched if message_id not in live]
        self._cursors[mailbox_id] = events[-1].seq

    def settle(self) -> None:
        """Commit what was gathered to the index: durable before the cursors in the database are."""
        upserts, deletes, cursors = self._upserts, self._deletes, self._cursors
        self._upserts, self._deletes, self._cursors = [], [], {}
        if cursors:
            self._index.apply(upserts, deletes, cursors)

    def _extracts(self, connection: Connection[Any], blobs: set[str]) -> Mapping[str, ParsedMessage]:
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            stored = cursor.execute(_EXTRACTS, (sorted(blobs), PARSER_VERSION)).fetchall()
        found = {blob: unpacked(body) for blob, body in stored}
        for blob in blobs - found.keys():
            try:
                found[blob] = self._extract(blob)
            except BlobMissingError:
                continue
        return found


def forget_lost_cursors(connection: psycopg.Connection[Any], index: SearchIndex) -> int:
    """Set back the stored cursors that the index does not bear out (its folder was lost); how many those were.

    The sweep that follows wakes the view for those mailboxes.
    """
    stored = connection.execute("SELECT mailbox_id, applied_seq FROM followers WHERE view = 'search'").fetchall()
    lost = [(mailbox_id, seq) for mailbox_id, applied in stored if (seq := index.cursor(mailbox_id)) < applied]
    if lost:
        connection.execute(
            "UPDATE followers f SET applied_seq = n.seq FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq)"
            " WHERE f.view = 'search' AND f.mailbox_id = n.mailbox_id",
            ([m for m, _ in lost], [s for _, s in lost]),
        )
    return len(lost)
