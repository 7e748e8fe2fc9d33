"""Pages of a mailbox's stream, read now; of those who wait, all who ask for the same page share one reading."""

import asyncio
from functools import partial

import msgspec

from domain.ids import MailboxId
from gateways.http.metrics import SYNC, timed
from gateways.http.operations import Answer
from gateways.http.ports import HttpParts
from gateways.http.sync_query import SyncQuery
from projections.mailbox_views import NetChanges
from projections.sync_page import SequenceAheadError, SyncPage


class ReadAnswer(msgspec.Struct, frozen=True):
    """An answer of `/sync`, the seq that it reaches, and the head as it then stood."""

    answer: Answer
    next: int
    head: int


def read_page(parts: HttpParts, mailbox_id: MailboxId, asked: SyncQuery) -> SyncPage:
    """The page after `since`, read now. Raises: NoMailboxError, SequenceAheadError, HistoryDivergedError."""
    with timed(SYNC):
        return parts.reader.page(mailbox_id, asked.since, limit=asked.limit, known_hash=asked.known_hash)


def read_fold(parts: HttpParts, mailbox_id: MailboxId, asked: SyncQuery) -> ReadAnswer:
    """The net changes after `since`.

    Raises: NoMailboxError, SequenceAheadError, HistoryDivergedError.
    """
    with timed(SYNC):
        parts.reader.page(mailbox_id, asked.since, limit=1, known_hash=asked.known_hash)
        found = parts.facts.net_changes(mailbox_id, asked.since, limit=asked.limit)
        if asked.since > found.head:
            raise SequenceAheadError(f"since={asked.since} lies above the head, {found.head}")
        reached = parts.reader.page(mailbox_id, max(found.next - 1, 0), limit=1)
    return ReadAnswer(Answer(folded_json(found, reached.next_hash)), found.next, found.head)


def folded_json(found: NetChanges, next_hash: bytes) -> bytes:
    """The answer of `fold=true`; labels and counts come with the last page alone."""
    begun = b'{"since":%d,"next":%d,"head":%d,"more":%b,"next_hash":"%b","messages":{"changed":[%b],"removed":%b}' % (
        found.since,
        found.next,
        found.head,
        b"true" if found.next < found.head else b"false",
        next_hash.hex().encode(),
        b",".join(found.changed),
        msgspec.json.encode(found.removed),
    )
    if found.labels_changed is not None:
        labels = {"changed": found.labels_changed, "removed": found.labels_removed}
        begun += b',"labels":%b' % msgspec.json.encode(labels)
    if found.counts is not None:
        begun += b',"counts":%b' % msgspec.json.encode(found.counts)
    return begun + b"}"


def read_answer(parts: HttpParts, mailbox_id: MailboxId, asked: SyncQuery) -> ReadAnswer:
    """The answer of `/sync` to this query, read now.

    Raises: NoMailboxError, SequenceAheadError, HistoryDivergedError.
    """
    if asked.fold:
        return read_fold(parts, mailbox_id, asked)
    page = read_page(parts, mailbox_id, asked)
    return ReadAnswer(Answer(page.to_json()), page.next, page.head)


def as_events(page: SyncPage) -> bytes:
    """The page's events as server-sent ones."""
    return b"".join(b"id: %d\ndata: %b\n\n" % event for event in page.events)


class SharedPages:
    """Reads pages through the pool, each once for all who want it at that moment."""

    def __init__(self, parts: HttpParts) -> None:
        self._parts = parts
        self._reading: dict[tuple[MailboxId, int, int], asyncio.Future[SyncPage]] = {}

    async def page(self, mailbox_id: MailboxId, since: int, *, limit: int) -> SyncPage:
        """The page after `since`. Its reading began after the call did, or at that moment."""
        key = (mailbox_id, since, limit)
        reading = self._reading.get(key)
        if reading is None:
            loop = asyncio.get_running_loop()
            asked = SyncQuery(since=since, limit=limit)
            reading = loop.run_in_executor(self._parts.executor, partial(read_page, self._parts, mailbox_id, asked))
            self._reading[key] = reading
            reading.add_done_callback(lambda _done: self._reading.pop(key, None))
        return await asyncio.shield(reading)
