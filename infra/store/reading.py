"""Reading a stream: pages for `/sync`, spliced from stored bytes, and the fold's input."""

from collections.abc import Iterator

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.keys import Keys
from infra.store.mapper import Mapper, StoredRow
from infra.store.recorder import MailboxRecorder
from projections.sync_page import HistoryDivergedError, NoMailboxError, SequenceAheadError, SyncPage

MAX_NAMED_MESSAGES = 1000
"""A page also ends after the event with which it names more messages than this."""


class StreamReader:
    """Reads mailboxes' streams. Where keys are gone, events are redacted, never an error."""

    def __init__(self, recorder: MailboxRecorder, keys: Keys, mapper: Mapper | None = None) -> None:
        self._recorder = recorder
        self._keys = keys
        self._mapper = mapper or Mapper()

    def page(self, mailbox_id: MailboxId, since: int, *, limit: int, known_hash: bytes | None = None) -> SyncPage:
        """At most `limit` events after `since`.

        Raises:
            NoMailboxError, SequenceAheadError, HistoryDivergedError.
        """
        rows, head, hash_at_since = self._recorder.page(mailbox_id, since, limit=limit)
        if head is None:
            raise NoMailboxError(mailbox_id)
        if since > head:
            raise SequenceAheadError(f"since={since} lies above the head, {head}")
        if known_hash is not None and known_hash != hash_at_since:
            raise HistoryDivergedError(f"the log at {since} is not the one this hash belongs to")
        key = self._keys.get(mailbox_id)
        events: list[tuple[int, bytes]] = []
        named = 0
        last = hash_at_since
        for row in rows:
            public = self._mapper.to_public(key, row)
            events.append((row.seq, public))
            last = row.hash
            named += _named_messages(public)
            if named > MAX_NAMED_MESSAGES:
                break
        reached = events[-1][0] if events else since
        return SyncPage(since, reached, max(head, reached), last, tuple(events))

    def recorded(self, mailbox_id: MailboxId, *, since: int = 0, until: int | None = None) -> Iterator[RecordedEvent]:
        """The events of a mailbox after `since`, for folds."""
        key = self._keys.get(mailbox_id)
        for row in self._recorder.stream(mailbox_id, since=since, until=until):
            yield self._mapper.to_recorded(key, row)

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> list[RecordedEvent]:
        """At most `limit` events after `since`, for a view that follows."""
        key = self._keys.get(mailbox_id)
        rows = self._recorder.rows_after(mailbox_id, since, limit=limit)
        return [self._mapper.to_recorded(key, row) for row in rows]

    def rows(self, mailbox_id: MailboxId, *, since: int = 0) -> Iterator[StoredRow]:
        """The rows of a mailbox as they lie, for checking the chain."""
        return self._recorder.stream(mailbox_id, since=since)

    def recorded_row(self, row: StoredRow) -> RecordedEvent:
        """One row as an event."""
        return self._mapper.to_recorded(self._keys.get(row.mailbox_id), row)


def _named_messages(public: bytes) -> int:
    """How many messages an event names in `message_ids`; any other event names one at most."""
    start = public.find(b'"message_ids":[')
    return public.count(b",", start, public.index(b"]", start)) + 1 if start >= 0 else 1
