"""Which part of what a search found is a page: newest `listed_at` first, then the greater message id.

The index orders by `listed_at` alone, so messages that share a moment are taken as one group and ordered here.
"""

from typing import Any

from tantivy import DocAddress, Searcher

from domain.ids import MailboxId, MessageId
from domain.search_query import Query
from infra.search_places import Place
from infra.tantivy_search.queries import index_query
from infra.tantivy_search.schema import LISTED_AT, MESSAGE_ID
from projections.search import SearchTooBroadError


def page(
    searcher: Searcher, mailbox_id: MailboxId, query: Query, *, after: Place | None, limit: int
) -> tuple[list[Place], int]:
    """The first places after `after`, more than `limit` where there are so many, and how many there are in all."""
    asked = limit + 3
    while True:
        result = _newest(searcher, mailbox_id, query, after=after, asked=asked)
        whole = result.hits if len(result.hits) < asked else [hit for hit in result.hits if hit[0] > result.hits[-1][0]]
        places = sorted(
            (Place(listed_at, _message_id(searcher, address)) for listed_at, address in whole), reverse=True
        )
        found = [place for place in places if after is None or place < after]
        if len(found) > limit or len(result.hits) < asked:
            first = result if after is None else _newest(searcher, mailbox_id, query, after=None, asked=1)
            return found, int(first.count)
        asked *= 2


def _newest(searcher: Searcher, mailbox_id: MailboxId, query: Query, *, after: Place | None, asked: int) -> Any:
    latest = None if after is None else after.listed_at
    try:
        return searcher.search(index_query(mailbox_id, query, latest=latest), asked, order_by_field=LISTED_AT)
    except ValueError as error:
        if "max expansions" in str(error):
            raise SearchTooBroadError("a phrase ends with the beginning of too many words") from error
        raise


def _message_id(searcher: Searcher, address: DocAddress) -> MessageId:
    stored: Any = searcher.doc(address).get_first(MESSAGE_ID)
    return MessageId(bytes(stored).decode())
