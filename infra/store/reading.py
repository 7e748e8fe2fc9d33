"""Reading a stream: pages for `/sync`, spliced from stored bytes, and the fold's input."""

from collections.abc import Iterator, Sequence
from itertools import chain

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.keys import Keys
from infra.store.mapper import Mapper, StoredRow
from infra.store.recorder import MailboxRecorder
from projections.sync_page import HistoryDivergedError, NoMailboxError, SequenceAheadError, SyncPage

FIRST_ROWS = 200
"""Rows read at once: a hostile mail's event may be 200 KB."""
MAX_PAGE_BYTES = 4 * 2**20
"""A page also ends after the event with which it is larger than this."""
MAX_NAMED_MESSAGES = 1000
"""A page also ends after the event with which it names more messages than this."""


class StreamReader:
    """Reads mailboxes' streams. Where keys were destroyed, events are redacted, never an error.

    Where a key is only missing every method raises KeyMissingError: nothing is known of those events.
    """

    def __init__(self, recorder: MailboxRecorder, keys: Keys, mapper: Mapper | None = None) -> None:
        self._recorder = recorder
        self._keys = keys
        self._mapper = mapper or Mapper()

    def page(self, mailbox_id: MailboxId, since: int, *, limit: int, known_hash: bytes | None = None) -> SyncPage:
        """At most `limit` events after `since`.

        Raises:
            NoMailboxError, SequenceAheadError, HistoryDivergedError.
        """
        rows, head, hash_at_since = self._recorder.page(mailbox_id, since, limit=min(limit, FIRST_ROWS))
        if head is None:
            raise NoMailboxError(mailbox_id)
        if since > head:
            raise SequenceAheadError(f"since={since} lies above the head, {head}")
        if known_hash is not None and known_hash != hash_at_since:
            raise HistoryDivergedError(f"the log at {since} is not the one this hash belongs to")
        key = self._keys.get(mailbox_id) if rows else None
        events: list[tuple[int, bytes]] = []
        named = size_bytes = 0
        last = hash_at_since
        for row in self._following(rows, limit):
            public = self._mapper.to_public(key, row)
            events.append((row.seq, public))
            last = row.hash
            named += _named_messages(public)
            size_bytes += len(public)
            if named > MAX_NAMED_MESSAGES or size_bytes > MAX_PAGE_BYTES:
                break
        reached = events[-1][0] if events else since
        return SyncPage(since, reached, max(head, reached), last, tuple(events))

    def _following(self, rows: list[StoredRow], limit: int) -> Iterator[StoredRow]:
        """These rows and then, while the reader wants them, those after them, up to `limit`: never many at once."""
        given = 0
        while rows:
            yield from rows
            given += len(rows)
            if given >= limit or len(rows) < FIRST_ROWS:
                return
            last = rows[-1]
            rows = self._recorder.rows_after(last.mailbox_id, last.seq, limit=min(limit - given, FIRST_ROWS))

    def recorded(self, mailbox_id: MailboxId, *, since: int = 0, until: int | None = None) -> Iterator[RecordedEvent]:
        """The events of a mailbox after `since`, for folds."""
        rows = self._recorder.stream(mailbox_id, since=since, until=until)
        if (first := next(rows, None)) is None:
            return
        key = self._keys.get(mailbox_id)
        for row in chain((first,), rows):
            yield self._mapper.to_recorded(key, row)

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> list[RecordedEvent]:
        """At most `limit` events after `since`, for a view that follows."""
        rows = self._recorder.rows_after(mailbox_id, since, limit=limit)
        key = self._keys.get(mailbox_id) if rows else None
        return [self._mapper.to_recorded(key, row) for row in rows]

    def rows(self, mailbox_id: MailboxId, *, since: int = 0) -> Iterator[StoredRow]:
        """The rows of a mailbox as they lie, for checking the chain."""
        return self._recorder.stream(mailbox_id, since=since)

    def rows_at(self, places: Sequence[tuple[MailboxId, int]]) -> dict[tuple[MailboxId, int], StoredRow]:
        """Rows of many mailboxes, by mailbox and number, as they lie; read in one round trip."""
        return {(row.mailbox_id, row.seq): row for row in self._recorder.rows_at(places)} if places else {}

    def recorded_row(self, row: StoredRow) -> RecordedEvent:
        """One row as an event."""
        return self._mapper.to_recorded(self._keys.get(row.mailbox_id), row)


def _named_messages(public: bytes) -> int:
    """How many messages an event names in `message_ids`; any other event names one at most."""
    start = public.find(b'"message_ids":[')
    return public.count(b",", start, public.index(b"]", start)) + 1 if start >= 0 else 1
