"""From rows in step and stored extracts to the documents of a search index: gathered, then given to it in one commit.

A relabel parses no MIME: what a message says was stored when it was first read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from domain.ids import MailboxId, MessageId
from domain.rows import MessageRow
from gateways.blobs import BlobMissingError
from gateways.mime.structure import PARSER_VERSION, ParsedMessage
from infra.extracts import unpacked
from infra.followers import ViewUnavailableError
from infra.store.row_tables import MESSAGES
from projections.search import MessageMarks, SearchDocument, SearchIndex, SearchUnavailableError

STEP_BYTES = 4_000_000
"""About so much text is gathered before it must be settled: what memory a step takes, however much is behind."""
MESSAGES_AT_ONCE = 32
DOCUMENT_BYTES = 1_000
"""What a document takes besides its subject and text."""
ROW_COLUMNS = ", ".join("NULL" if name == "summary" else f"x.{name}" for name in MESSAGES.types)
"""The row of a message `x` without its summary, which no document is made of."""
_EXTRACTS = "SELECT blob, body FROM extracts WHERE blob = ANY (%s) AND parser = %s"

Extract = Callable[[str], ParsedMessage]


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


def marks(mailbox_id: MailboxId, row: MessageRow) -> MessageMarks:
    """What of a message's document its row alone tells, and may change."""
    return MessageMarks(
        mailbox_id=mailbox_id,
        message_id=row.message_id,
        seq=row.changed_seq,
        listed_at=row.listed_at,
        labels=tuple(row.labels),
        keywords=tuple(row.keywords),
    )


def _shown(addresses: Iterable[Any]) -> tuple[str, ...]:
    return tuple(f"{one.name} {one.address}".strip() for one in addresses)


class DocumentHeap:
    """Documents, removals and cursors that wait for the index's next commit."""

    def __init__(self, index: SearchIndex, extract: Extract) -> None:
        self._index = index
        self._extract = extract
        self._upserts: list[SearchDocument] = []
        self._deletes: list[tuple[MailboxId, MessageId]] = []
        self._cursors: dict[MailboxId, int] = {}
        self._forgotten: set[MailboxId] = set()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it must be settled before more is gathered."""
        return self._bytes >= STEP_BYTES

    def put(self, connection: Connection[Any], mailbox_id: MailboxId, rows: Sequence[MessageRow]) -> None:
        """Gather the documents of messages that stand, and the removal of those that do not.

        However many they are: what was gathered goes to the index, without a cursor, whenever the heap is full.
        """
        self.remove(mailbox_id, [row.message_id for row in rows if row.destroyed_seq is not None])
        live = [row for row in rows if row.destroyed_seq is None]
        for start in range(0, len(live), MESSAGES_AT_ONCE):
            if start and self.is_full:
                self._give({})
            self._put(connection, mailbox_id, live[start : start + MESSAGES_AT_ONCE])

    def _put(self, connection: Connection[Any], mailbox_id: MailboxId, live: Sequence[MessageRow]) -> None:
        bodies = _bodies(connection, {row.blob for row in live})
        for row in live:
            made = document(mailbox_id, row, self._extracted(row.blob, bodies.get(row.blob)))
            self._upserts.append(made)
            self._bytes += DOCUMENT_BYTES + len(made.subject) + len(made.text)

    def relabel(self, connection: Connection[Any], mailbox_id: MailboxId, rows: Sequence[MessageRow]) -> None:
        """Have the index change what messages bear that say what they said; those that it cannot are put in whole.

        A message that waits here as it stands needs neither.
        """
        waiting = {one.message_id: one.seq for one in self._upserts if one.mailbox_id == mailbox_id}
        changed = [row for row in rows if row.destroyed_seq is None and waiting.get(row.message_id) != row.changed_seq]
        if not changed:
            return
        with self._told():
            left = self._index.relabel([marks(mailbox_id, row) for row in changed])
        whole = {one.message_id for one in left}
        self.put(connection, mailbox_id, [row for row in changed if row.message_id in whole])

    def remove(self, mailbox_id: MailboxId, message_ids: Iterable[MessageId]) -> None:
        """Gather the removal of messages."""
        self._deletes += [(mailbox_id, message_id) for message_id in message_ids]

    def forget(self, mailbox_id: MailboxId) -> None:
        """Gather that the whole mailbox goes, with what was gathered of it."""
        self._upserts = [one for one in self._upserts if one.mailbox_id != mailbox_id]
        self._forgotten.add(mailbox_id)

    def reach(self, mailbox_id: MailboxId, seq: int) -> None:
        """With what was gathered until now a mailbox stands at this seq."""
        self._cursors[mailbox_id] = seq

    def settle(self) -> None:
        """Commit to the index: durable on return. Raises: ViewUnavailableError."""
        forgotten, self._forgotten = self._forgotten, set()
        with self._told():
            for mailbox_id in sorted(forgotten):
                self._index.drop_mailbox(mailbox_id)
        cursors, self._cursors = self._cursors, {}
        if cursors:
            self._give(cursors)

    def _give(self, cursors: Mapping[MailboxId, int]) -> None:
        upserts, deletes = self._upserts, self._deletes
        self._upserts, self._deletes, self._bytes = [], [], 0
        with self._told():
            self._index.apply(upserts, deletes, cursors)

    def clear(self) -> None:
        """Drop what was gathered: whoever did will gather it again, from where the index stands then."""
        self._upserts, self._deletes, self._bytes = [], [], 0
        self._cursors, self._forgotten = {}, set()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A failure takes what waits with it: a cursor must not outlive the documents that it counts."""
        try:
            with told_as_unavailable():
                yield
        except BaseException:
            self.clear()
            raise

    def _extracted(self, blob: str, body: bytes | None) -> ParsedMessage | None:
        if body is not None:
            return unpacked(body)
        try:
            return self._extract(blob)
        except BlobMissingError:
            return None


def _bodies(connection: Connection[Any], blobs: set[str]) -> dict[str, bytes]:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        return dict(cursor.execute(_EXTRACTS, (sorted(blobs), PARSER_VERSION)).fetchall())


@contextmanager
def told_as_unavailable() -> Iterator[None]:
    """The index as an outage: a process before this one still writes it, or its disk is full."""
    try:
        yield
    except SearchUnavailableError as error:
        raise ViewUnavailableError(str(error)) from error
