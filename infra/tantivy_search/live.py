"""The live generation of the search index, whichever that is at the moment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from domain.ids import MailboxId, MessageId
from domain.search_query import Query
from infra.tantivy_search.generations import FIRST_GENERATION, generation_folder, live_generation
from infra.tantivy_search.index import TantivyIndex
from projections.search import Hits, MessageMarks, SearchDocument, SearchUnavailableError


class LiveTantivyIndex:
    """The port `SearchIndex` on the live generation; looks at the marker before every call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._following = Lock()
        self._generation = live_generation(folder)
        self._index = _opened(folder, self._generation)

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """See `SearchIndex.apply`. Raises: SearchIndexLockedError."""
        self._live().apply(upserts, deletes, cursors)

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """See `SearchIndex.relabel`."""
        return self._live().relabel(marks)

    def cursor(self, mailbox_id: MailboxId) -> int:
        """See `SearchIndex.cursor`."""
        return self._live().cursor(mailbox_id)

    def cursors(self, mailbox_ids: Sequence[MailboxId]) -> Mapping[MailboxId, int]:
        """See `WholeIndex.cursors`."""
        return self._live().cursors(mailbox_ids)

    def messages(self, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
        """See `WholeIndex.messages`."""
        return self._live().messages(mailbox_id)

    def identity(self) -> str:
        """See `LiveIndex.identity`: a folder is lost only while nothing runs in it."""
        return str(live_generation(self.folder))

    def check(self) -> None:
        """See `LiveIndex.check`."""
        self._live().cursors([MailboxId("m0")])

    def search(self, mailbox_id: MailboxId, query: Query, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """See `SearchIndex.search`."""
        return self._live().search(mailbox_id, query, limit=limit, cursor=cursor)

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """See `SearchIndex.drop_mailbox`. Raises: SearchIndexLockedError."""
        self._live().drop_mailbox(mailbox_id)

    def close(self) -> None:
        """Let the writer go. The next write opens it again."""
        with self._following:
            self._index.close()

    def _live(self) -> TantivyIndex:
        with self._following:
            generation = live_generation(self.folder)
            if generation != self._generation:
                fresh = _opened(self.folder, generation)
                self._index.close()
                self._index, self._generation = fresh, generation
            return self._index


def _opened(folder: Path, generation: int) -> TantivyIndex:
    """Only the first generation is made where it is missing: one that was flipped to and has gone is no empty index."""
    path = generation_folder(folder, generation)
    if generation != FIRST_GENERATION and not path.is_dir():
        raise SearchUnavailableError(f"generation {generation} of the search index is not in {folder}")
    return TantivyIndex(path)


def open_live(folder: Path) -> LiveTantivyIndex:
    """The index of a data folder, made empty where there is none.

    Raises: SearchIndexIncompatibleError, SearchUnavailableError.
    """
    return LiveTantivyIndex(folder)
