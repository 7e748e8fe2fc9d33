"""The following view that feeds the search index: from events to the messages touched, to their documents.

Documents are made of the rows in step and the stored extracts, so that a relabel parses no MIME. Feeding again what was
fed before changes nothing; the index keeps its cursors in the same commit as its documents.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from infra.followers import ViewUnavailableError
from infra.store.row_tables import MESSAGES
from projections.search import SearchDocument, SearchIndex, SearchUnavailableError

_ROWS = (
    f"SELECT {MESSAGES.columns} FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"  # noqa: S608
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.message_id = ANY (%s)"
)
_EXTRACTS = "SELECT blob, body FROM extracts WHERE blob = ANY (%s) AND parser = %s"

STEP_BYTES = 4_000_000
"""About so much text is gathered before it must be settled: what memory a step takes, however much is behind."""
MESSAGES_AT_ONCE = 32
DOCUMENT_BYTES = 1_000
"""What a document takes besides its subject and text."""

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
        self._gathered_bytes = 0

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """What the index itself has, should it have lost its folder or been switched to another generation."""
        with _told_as_unavailable():
            return min(applied_seq, self._index.cursor(mailbox_id))

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        """Gather the documents of the messages that these events touch, until `STEP_BYTES` are gathered.

        What a single event touches may be more: all but the last of it is given to the index before its cursor.
        """
        reached = events[0].seq - 1
        for some, touched in _portions(events):
            if self._gathered_bytes >= STEP_BYTES:
                break
            for start in range(0, len(touched), MESSAGES_AT_ONCE):
                if start and self._gathered_bytes >= STEP_BYTES:
                    self._give({})
                self._gather(connection, mailbox_id, touched[start : start + MESSAGES_AT_ONCE])
            reached = self._cursors[mailbox_id] = some[-1].seq
        return reached

    def _gather(self, connection: Connection[Any], mailbox_id: MailboxId, touched: Sequence[MessageId]) -> None:
        with connection.cursor(row_factory=tuple_row) as cursor:
            rows = [MESSAGES.row(v) for v in cursor.execute(_ROWS.encode(), (mailbox_id, touched)).fetchall()]
        live = {row.message_id: row for row in rows if row.destroyed_seq is None}
        bodies = self._bodies(connection, {row.blob for row in live.values()})
        for row in live.values():
            made = document(mailbox_id, row, self._extracted(row.blob, bodies.get(row.blob)))
            self._upserts.append(made)
            self._gathered_bytes += DOCUMENT_BYTES + len(made.subject) + len(made.text)
        self._deletes += [(mailbox_id, message_id) for message_id in touched if message_id not in live]

    def settle(self) -> None:
        """Commit what was gathered to the index: durable before the cursors in the database are."""
        cursors, self._cursors = self._cursors, {}
        if cursors:
            self._give(cursors)

    def _give(self, cursors: Mapping[MailboxId, int]) -> None:
        upserts, deletes = self._upserts, self._deletes
        self._upserts, self._deletes, self._gathered_bytes = [], [], 0
        with _told_as_unavailable():
            self._index.apply(upserts, deletes, cursors)

    @staticmethod
    def _bodies(connection: Connection[Any], blobs: set[str]) -> dict[str, bytes]:
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            return dict(cursor.execute(_EXTRACTS, (sorted(blobs), PARSER_VERSION)).fetchall())

    def _extracted(self, blob: str, body: bytes | None) -> ParsedMessage | None:
        if body is not None:
            return unpacked(body)
        try:
            return self._extract(blob)
        except BlobMissingError:
            return None


def _portions(events: Sequence[RecordedEvent]) -> Iterator[tuple[Sequence[RecordedEvent], list[MessageId]]]:
    """The events in runs that touch about `MESSAGES_AT_ONCE` messages, or are a single event, with those messages."""
    start, touched = 0, set[MessageId]()
    for place, event in enumerate(events, start=1):
        touched |= touched_messages((event,))
        if len(touched) >= MESSAGES_AT_ONCE or place == len(events):
            yield events[start:place], sorted(touched)
            start, touched = place, set()


@contextmanager
def _told_as_unavailable() -> Iterator[None]:
    """The index as an outage: a process before this one still writes it, or its disk is full."""
    try:
        yield
    except SearchUnavailableError as error:
        raise ViewUnavailableError(str(error)) from error


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
