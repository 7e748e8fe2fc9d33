"""One generation of the index: a folder that one process writes and any number read.

A reader looks at the folder's `meta.json` before every search and so sees a commit as soon as it is made. The writer is
opened with the first write and kept: tantivy's lock file lets no second one in, in this process or another.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Final

from tantivy import Document, Index, IndexWriter, Searcher, TextAnalyzerBuilder, Tokenizer
from tantivy import Query as IndexQuery

from domain.ids import MailboxId, MessageId
from domain.search_query import Query as SearchQuery
from infra.search_generations import paged_messages
from infra.search_places import read_cursor, write_cursor
from infra.tantivy_search.freed_memory import give_back
from infra.tantivy_search.pages import page
from infra.tantivy_search.schema import (
    APPLIED_SEQ,
    CURSOR_OF,
    KEY,
    MAILBOX,
    SCHEMA,
    cursor_document,
    message_document,
    message_key,
)
from projections.search import Hits, MessageMarks, SearchDocument, SearchUnavailableError

WRITER_HEAP_BYTES: Final = 15_000_000  # the least that tantivy takes
GIVE_BACK_AFTER: Final = 500  # documents


class SearchIndexLockedError(SearchUnavailableError):
    """Another writer, in this process or another, holds this index."""


class SearchIndexIncompatibleError(Exception):
    """The folder holds an index of another shape; it must be rebuilt."""


class TantivyIndex:
    """The port `SearchIndex` on one folder; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Opens the index of a folder, or makes an empty one. Raises: SearchIndexIncompatibleError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._index = _opened(folder)
        self._writing, self._reading = Lock(), Lock()
        self._writer: IndexWriter | None = None
        self._stamp: tuple[int, int] | None = None
        self._written = 0

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """See `SearchIndex.apply`. Raises: SearchIndexLockedError, SearchUnavailableError."""
        newest = {message_key(message.mailbox_id, message.message_id): message for message in upserts}
        gone = {message_key(*names) for names in deletes}
        stale = [(KEY, key) for key in newest.keys() | gone] + [(CURSOR_OF, mailbox_id) for mailbox_id in cursors]
        documents = (message_document(message) for key, message in newest.items() if key not in gone)
        marks = (cursor_document(mailbox_id, seq) for mailbox_id, seq in cursors.items())
        self._commit(stale, chain(documents, marks))

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """See `SearchIndex.relabel`: a document is only ever replaced whole."""
        return marks

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """See `SearchIndex.drop_mailbox`. Raises: SearchIndexLockedError."""
        self._commit([(MAILBOX, mailbox_id), (CURSOR_OF, mailbox_id)], [])

    def cursor(self, mailbox_id: MailboxId) -> int:
        """See `SearchIndex.cursor`."""
        return _applied_seq(self._searcher(), mailbox_id)

    def cursors(self, mailbox_ids: Sequence[MailboxId]) -> Mapping[MailboxId, int]:
        """See `WholeIndex.cursors`."""
        searcher = self._searcher()
        return {mailbox_id: _applied_seq(searcher, mailbox_id) for mailbox_id in mailbox_ids}

    def messages(self, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
        """See `WholeIndex.messages`."""
        return paged_messages(self, mailbox_id)

    def search(self, mailbox_id: MailboxId, query: SearchQuery, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """See `SearchIndex.search`."""
        after = None if cursor is None else read_cursor(cursor)
        searcher = self._searcher()
        found, total = page(searcher, mailbox_id, query, after=after, limit=limit)
        return Hits(
            message_ids=tuple(place.message_id for place in found[:limit]),
            total=total,
            cursor=write_cursor(found[limit - 1]) if len(found) > limit else None,
            as_of_seq=_applied_seq(searcher, mailbox_id),
        )

    def close(self) -> None:
        """Let the writer go, once its merges are done; reading goes on. The next write opens it again."""
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.wait_merging_threads()

    def _commit(self, stale: Iterable[tuple[str, str]], documents: Iterable[Document]) -> None:
        """Each document is made when the writer has the one before: a batch of them is never in memory."""
        with self._writing:
            if self._writer is None:
                self._writer = _opened_writer(self._index, self.folder)
            try:
                for field, value in stale:
                    self._take(self._writer.delete_documents_by_term, field, value)
                for document in documents:
                    self._take(self._writer.add_document, document)
                    self._written += 1
                self._take(self._writer.commit)
            except BaseException:
                self._writer = None  # what it was given so far goes with it; the lock too
                raise
            if self._written >= GIVE_BACK_AFTER:
                self._written = 0
                give_back()

    def _take(self, take: Callable[..., object], *given: object) -> None:
        try:
            take(*given)
        except (OSError, ValueError) as error:  # tantivy raises ValueError for a full disk, too
            raise SearchUnavailableError(f"the search index in {self.folder} takes nothing: {error}") from error

    def _searcher(self) -> Searcher:
        """What the last commit made of the index, by whatever process."""
        with self._reading:
            try:
                self._reload_if_changed()
            except (OSError, ValueError) as error:
                raise SearchUnavailableError(f"the search index in {self.folder} cannot be read: {error}") from error
            return self._index.searcher()

    def _reload_if_changed(self) -> None:
        status = os.stat(self.folder / "meta.json")
        stamp = status.st_ino, status.st_mtime_ns
        if stamp != self._stamp:
            self._index.reload()
            self._stamp = stamp


def _opened(folder: Path) -> Index:
    try:
        index = Index(SCHEMA, path=str(folder))
    except ValueError as error:
        raise SearchIndexIncompatibleError(f"{folder} holds no index that this release can read: {error}") from error
    index.register_tokenizer("whitespace", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    index.config_reader("manual")
    return index


def _opened_writer(index: Index, folder: Path) -> IndexWriter:
    try:
        return index.writer(WRITER_HEAP_BYTES, 1)
    except ValueError as error:
        if "LockBusy" in str(error):
            raise SearchIndexLockedError(f"another process writes the search index in {folder}") from error
        raise


def _applied_seq(searcher: Searcher, mailbox_id: MailboxId) -> int:
    mark = IndexQuery.term_query(SCHEMA, CURSOR_OF, mailbox_id, "basic")
    hits = searcher.search(mark, 1, count=False, order_by_field=APPLIED_SEQ).hits
    return int(hits[0][0]) if hits else 0
