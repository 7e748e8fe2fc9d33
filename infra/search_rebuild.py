"""Making the search index again while it is followed and asked: a generation beside the live one.

The new generation is filled mailbox by mailbox from the rows in step, each message once (`infra.search_scan`). Then,
with the followers' cursors locked so that none of them is between reading and writing, it is brought up to what the
live one has, and flipped to. Mailboxes that are behind by then are woken. A generation left behind by an interruption
is gone on with: the index keeps its cursors itself.
"""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from domain.ids import MailboxId
from domain.search_query import Everything, Query
from infra.search_documents import DocumentHeap, Extract
from infra.search_scan import SearchScan
from infra.store.reading import StreamReader
from infra.tantivy_search.generations import (
    begin_generation,
    flip,
    generation_folder,
    generations,
    live_generation,
    remove_generation,
)
from infra.tantivy_search.index import SearchIndexIncompatibleError, SearchIndexLockedError, TantivyIndex
from infra.tantivy_search.live import LiveTantivyIndex

LET_GO_S = 3.0
"""So long the service is waited for to let go of the old generation; else the next rebuild removes it."""

Progress = Callable[[int, int], None]
"""Told (events applied, events of all mailboxes)."""

_HEADS = "SELECT mailbox_id, head FROM mailboxes ORDER BY mailbox_id"
_LOCK = "SELECT mailbox_id, applied_seq FROM followers WHERE view = 'search' ORDER BY mailbox_id FOR UPDATE"
_WAKE = (
    "INSERT INTO follower_wakes (view, mailbox_id, head)"
    " SELECT 'search', * FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, head)"
)


class RebuiltSearch(msgspec.Struct, frozen=True):
    """What a rebuild came to: the generation that is live now, the events passed, whether the old one is gone."""

    generation: int
    events: int
    old_removed: bool


def rebuild_search(
    conninfo: str,
    folder: Path,
    reader: StreamReader,
    *,
    extract: Extract,
    progress: Progress = lambda _done, _all: None,
    let_go_s: float = LET_GO_S,
) -> RebuiltSearch:
    """Fill a new generation of the index and switch to it.

    Raises:
        SearchIndexLockedError: another rebuild fills it.
    """
    before = live_generation(folder)
    generation = _begun(folder, before)
    index = TantivyIndex(generation_folder(folder, generation))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        filling = _Filling(SearchScan(connection, reader, DocumentHeap(index, extract)), index, progress)
        filling.fill(connection.execute(_HEADS).fetchall())
        filling.fill(connection.execute(_HEADS).fetchall())
        with connection.transaction():
            filling.fill(connection.execute(_LOCK).fetchall())
            index.close()
            flip(folder, generation)
        _wake_those_behind(connection, index)
    return RebuiltSearch(generation, filling.events, _remove_old(folder, before, let_go_s))


def _begun(folder: Path, live: int) -> int:
    """The generation that an interrupted rebuild began, or a new one; older ones that nobody writes go."""
    for old in generations(folder):
        if old < live and _is_let_go(folder, old):
            remove_generation(folder, old)
    begun = [one for one in generations(folder) if one > live]
    if not begun:
        return begin_generation(folder)
    try:
        TantivyIndex(generation_folder(folder, begun[-1]))
    except SearchIndexIncompatibleError:
        shutil.rmtree(generation_folder(folder, begun[-1]))
        return begin_generation(folder)
    return begun[-1]


class _Filling:
    """Feeds mailboxes to the new generation."""

    def __init__(self, scan: SearchScan, index: TantivyIndex, progress: Progress) -> None:
        self._scan = scan
        self._index = index
        self._progress = progress
        self.events = 0

    def fill(self, heads: Iterable[tuple[str, int]]) -> None:
        """Bring every mailbox up to the seq given with it, at least; durable on return."""
        behind = [(MailboxId(m), self._index.cursor(MailboxId(m)), seq) for m, seq in heads]
        wanted = self.events + sum(max(seq - since, 0) for _, since, seq in behind)
        for mailbox_id, since, seq in behind:
            while since < seq:
                reached = self._scan.go_on(mailbox_id, since)
                if reached == since:
                    break
                self.events += reached - since
                since = reached
                self._progress(self.events, max(wanted, self.events))
        self._scan.settle()


def _wake_those_behind(connection: Connection[Any], index: TantivyIndex) -> None:
    heads = connection.execute(_HEADS).fetchall()
    behind = [(mailbox_id, head) for mailbox_id, head in heads if index.cursor(MailboxId(mailbox_id)) < head]
    if behind:
        connection.execute(_WAKE, ([m for m, _ in behind], [head for _, head in behind]))


def _remove_old(folder: Path, generation: int, let_go_s: float) -> bool:
    if not generation_folder(folder, generation).is_dir():
        return True
    deadline = time.monotonic() + let_go_s
    while not _is_let_go(folder, generation):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    remove_generation(folder, generation)
    return True


def _is_let_go(folder: Path, generation: int) -> bool:
    """Whether no process writes this generation; its readers keep what they have opened."""
    try:
        index = TantivyIndex(generation_folder(folder, generation))
        index.apply((), (), {})
    except SearchIndexLockedError:
        return False
    except SearchIndexIncompatibleError:
        return True
    index.close()
    return True


_LIVE = (
    "SELECT x.message_id FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.destroyed_seq IS NULL AND x.created_seq <= %s"
)


def verify_search(connection: Connection[Any], index: LiveTantivyIndex, mailbox_id: MailboxId) -> list[str]:
    """Every message that the index has and the mailbox has not, or the other way round (must be none).

    A mailbox in use is compared as far as the index has come.
    """
    found, as_of = _indexed(index, mailbox_id)
    live = {row[0] for row in connection.execute(_LIVE, (mailbox_id, as_of)).fetchall()}
    lost = [f"message {message_id} is not in the search index" for message_id in sorted(live - found)]
    if index.cursor(mailbox_id) != as_of:
        return lost
    return lost + [f"message {message_id} is in the search index only" for message_id in sorted(found - live)]


def _indexed(index: LiveTantivyIndex, mailbox_id: MailboxId) -> tuple[set[str], int]:
    found: set[str] = set()
    cursor, as_of = None, index.cursor(mailbox_id)
    while True:
        hits = index.search(mailbox_id, Query(Everything(), anywhere=True), limit=1000, cursor=cursor)
        found.update(hits.message_ids)
        if (cursor := hits.cursor) is None:
            return found, as_of
