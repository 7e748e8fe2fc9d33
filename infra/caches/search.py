"""What a search found, kept for five minutes while neither the log nor the index has gone on."""

from collections.abc import Mapping, Sequence

from domain.ids import MailboxId, MessageId
from domain.search_query import Query
from infra.caches.current import CurrentAnswers
from projections.search import Hits, MessageMarks, SearchDocument, SearchIndex


class CachedSearch:
    """`projections.search.SearchIndex` in front of another one."""

    def __init__(self, index: SearchIndex, answers: CurrentAnswers) -> None:
        self._index = index
        self._answers = answers

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """Put in and take out; see `SearchIndex.apply`."""
        self._index.apply(upserts, deletes, cursors)

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """Change what may change of messages; see `SearchIndex.relabel`."""
        return self._index.relabel(marks)

    def cursor(self, mailbox_id: MailboxId) -> int:
        """The seq applied; see `SearchIndex.cursor`."""
        return self._index.cursor(mailbox_id)

    def search(self, mailbox_id: MailboxId, query: Query, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """The messages that a query finds; see `SearchIndex.search`."""
        applied = self._index.cursor(mailbox_id)
        return self._answers.of_log(
            mailbox_id,
            ("search-1", applied, query, limit, cursor),
            lambda: self._index.search(mailbox_id, query, limit=limit, cursor=cursor),
            Hits,
        )

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """Forget a mailbox; see `SearchIndex.drop_mailbox`."""
        self._index.drop_mailbox(mailbox_id)
