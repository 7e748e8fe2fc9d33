"""The live generation of the search index, whichever that is at the moment.

Readers ask under the alias. Whoever feeds it asks for a cursor first: from then on, until cursors are set, all that it
writes goes to the generation that told that cursor. A cursor never counts documents that went somewhere else.
"""

from collections.abc import Mapping, Sequence

from opensearchpy import OpenSearch

from domain.ids import MailboxId, MessageId
from domain.search_query import Query
from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.index import OpenSearchIndex
from infra.opensearch_search.server import CHECK_S, IndexMissingError, told
from infra.turnstile import Turnstile
from projections.search import Hits, MessageMarks, SearchDocument, SearchUnavailableError


class LiveOpenSearch:
    """The port `SearchIndex` on the live generation. Any number of threads may search; one feeds."""

    def __init__(self, client: OpenSearch, generations: OpenSearchGenerations) -> None:
        self._client = client
        self._generations = generations
        self._alias = OpenSearchIndex(client, generations.alias, generations.alias)
        self._turnstile = Turnstile(SearchUnavailableError)
        self._fed: OpenSearchIndex | None = None

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """See `SearchIndex.apply`."""
        fed = self._feeding()
        if cursors:
            self._fed = None
        fed.apply(upserts, deletes, cursors)

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """See `SearchIndex.relabel`."""
        return self._feeding().relabel(marks)

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """See `SearchIndex.drop_mailbox`."""
        self._feeding().drop_mailbox(mailbox_id)

    def cursor(self, mailbox_id: MailboxId) -> int:
        """See `SearchIndex.cursor`.

        Raises: SearchUnavailableError, also where another generation has become the live one since the last was asked
            for: what was gathered for that one goes nowhere.
        """
        try:
            seq, name = self._alias.placed_cursor(mailbox_id)
        except IndexMissingError:
            self._generations.ensure_live()
            seq, name = self._alias.placed_cursor(mailbox_id)
        fed, self._fed = self._fed, self._generations.index_named(name)
        if fed is not None and fed.index != name:
            self._fed = None
            raise SearchUnavailableError("the search index was switched to another generation")
        return seq

    def cursors(self, mailbox_ids: Sequence[MailboxId]) -> Mapping[MailboxId, int]:
        """See `WholeIndex.cursors`."""
        return self._alias.cursors(mailbox_ids)

    def messages(self, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
        """See `WholeIndex.messages`."""
        return self._alias.messages(mailbox_id)

    def identity(self) -> str:
        """See `LiveIndex.identity`; makes the index where there is none."""
        return self._generations.identity(self._generations.ensure_live())

    def check(self) -> None:
        """See `LiveIndex.check`."""
        parameters = {"request_timeout": CHECK_S}
        with told():
            self._client.transport.perform_request("GET", f"/_alias/{self._generations.alias}", params=parameters)

    def search(self, mailbox_id: MailboxId, query: Query, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """See `SearchIndex.search`; asked again where a generation was removed in the middle of it."""
        with self._turnstile.passed():
            try:
                return self._alias.search(mailbox_id, query, limit=limit, cursor=cursor)
            except IndexMissingError:
                return self._alias.search(mailbox_id, query, limit=limit, cursor=cursor)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _feeding(self) -> OpenSearchIndex:
        if self._fed is None:
            self._fed = self._generations.index(self._generations.ensure_live())
        return self._fed
