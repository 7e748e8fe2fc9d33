"""Making the search index again while it is followed and asked: a generation beside the live one.

The new generation is filled mailbox by mailbox from the rows in step, each message once (`infra.search_scan`). Then,
with the followers' cursors locked so that none of them is between reading and writing, it is brought up to what the
live one has, and switched to. Mailboxes that are behind by then are woken. A generation left behind by an interruption
is gone on with: the index keeps its cursors itself.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import psycopg
from psycopg import Connection

from domain.ids import MailboxId
from infra.operator_errors import OperatorError
from infra.search_documents import DocumentHeap, Extract
from infra.search_generations import SearchGenerations, WholeIndex
from infra.search_scan import SearchScan
from infra.store.reading import StreamReader

MAILBOXES_AT_ONCE: Final = 1_000

Progress = Callable[[int, int], None]
"""Told (events applied, events of all mailboxes)."""

_ONE_AT_A_TIME = "SELECT pg_try_advisory_lock(hashtextextended('rebuild search', 0))"
"""The lock goes with the connection."""
_HEADS = "SELECT mailbox_id, head FROM mailboxes ORDER BY mailbox_id"
_LOCK = "SELECT mailbox_id, applied_seq FROM followers WHERE view = 'search' ORDER BY mailbox_id FOR UPDATE"
_WAKE = (
    "INSERT INTO follower_wakes (view, mailbox_id, head)"
    " SELECT 'search', * FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, head)"
)


class SearchRebuildUnderWayError(OperatorError):
    """Another process rebuilds the search index."""


class RebuiltSearch(msgspec.Struct, frozen=True):
    """What a rebuild came to: the generation that is live now, the events passed, whether the old one is gone."""

    generation: int
    events: int
    old_removed: bool


def rebuild_search(
    conninfo: str,
    generations: SearchGenerations,
    reader: StreamReader,
    *,
    extract: Extract,
    progress: Progress = lambda _done, _all: None,
) -> RebuiltSearch:
    """Fill a new generation of the index and switch to it.

    Raises:
        SearchRebuildUnderWayError: another process is at it.
        SearchUnavailableError, ViewUnavailableError: interrupted; call again to go on.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute(_ONE_AT_A_TIME).fetchone() != (True,):
            raise SearchRebuildUnderWayError("another rebuild of the search index is under way")
        generation, index = generations.begin()
        filling = _Filling(SearchScan(connection, reader, DocumentHeap(index, extract)), index, progress)
        filling.fill(connection.execute(_HEADS).fetchall())
        filling.fill(connection.execute(_HEADS).fetchall())
        with connection.transaction():
            filling.fill(connection.execute(_LOCK).fetchall())
            index.close()
            generations.switch(generation)
        _wake_those_behind(connection, index)
        return RebuiltSearch(generation, filling.events, generations.remove_old())


class _Filling:
    """Feeds mailboxes to the new generation."""

    def __init__(self, scan: SearchScan, index: WholeIndex, progress: Progress) -> None:
        self._scan = scan
        self._index = index
        self._progress = progress
        self.events = 0

    def fill(self, heads: Sequence[tuple[str, int]]) -> None:
        """Bring every mailbox up to the seq given with it, at least; durable on return."""
        behind = [(mailbox_id, since, seq) for mailbox_id, since, seq in _behind(self._index, heads)]
        wanted = self.events + sum(seq - since for _, since, seq in behind)
        for mailbox_id, since, seq in behind:
            while since < seq:
                reached = self._scan.go_on(mailbox_id, since)
                if reached == since:
                    break
                self.events += reached - since
                since = reached
                self._progress(self.events, max(wanted, self.events))
        self._scan.settle()


def _behind(index: WholeIndex, heads: Sequence[tuple[str, int]]) -> Iterator[tuple[MailboxId, int, int]]:
    """Of the mailboxes that the index has not brought up to the seq given with them: mailbox, cursor, that seq."""
    for start in range(0, len(heads), MAILBOXES_AT_ONCE):
        some = {MailboxId(mailbox_id): seq for mailbox_id, seq in heads[start : start + MAILBOXES_AT_ONCE]}
        cursors = index.cursors(list(some))
        yield from ((one, cursors[one], seq) for one, seq in some.items() if cursors[one] < seq)


def _wake_those_behind(connection: Connection[Any], index: WholeIndex) -> None:
    behind = list(_behind(index, connection.execute(_HEADS).fetchall()))
    if behind:
        connection.execute(_WAKE, ([one for one, _, _ in behind], [head for _, _, head in behind]))


_LIVE = (
    "SELECT x.message_id FROM messages x JOIN mailboxes b ON b.mailbox_id = x.mailbox_id"
    " AND b.generation = x.generation WHERE x.mailbox_id = %s AND x.destroyed_seq IS NULL AND x.created_seq <= %s"
)


def verify_search(connection: Connection[Any], index: WholeIndex, mailbox_id: MailboxId) -> list[str]:
    """Every message that the index has and the mailbox has not, or the other way round (must be none).

    A mailbox in use is compared as far as the index has come.
    """
    found, as_of = index.messages(mailbox_id)
    live = {row[0] for row in connection.execute(_LIVE, (mailbox_id, as_of)).fetchall()}
    lost = [f"message {message_id} is not in the search index" for message_id in sorted(live - found)]
    if index.cursors([mailbox_id])[mailbox_id] != as_of:
        return lost
    return lost + [f"message {message_id} is in the search index only" for message_id in sorted(found - live)]
