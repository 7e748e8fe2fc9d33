"""One index of OpenSearch under one of its names: the port `SearchIndex`, for any number of writers and readers.

Documents go in first and are checked, the cursors after them; both are shown by the same refresh of the shard that a
mailbox is routed to. A reader asks for the cursor first: what it finds then is at least as new.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from opensearchpy import OpenSearch

from domain.ids import MailboxId, MessageId
from domain.search_query import Query
from infra.opensearch_search import bulk
from infra.opensearch_search.moment import Moment
from infra.opensearch_search.queries import index_query
from infra.opensearch_search.schema import (
    CURSOR_OF,
    GONE_OF,
    LISTED_AT,
    MAILBOX,
    MESSAGE_ID,
    SEQ,
    cursor_document,
    cursor_key,
    gone_document,
    marks_document,
    message_document,
    message_key,
)
from infra.opensearch_search.server import SEARCH_S, WRITE_S, IndexMissingError, told
from infra.search_places import Place, read_cursor, write_cursor
from projections.search import Hits, MessageMarks, SearchDocument, SearchUnavailableError

DROPPED_AT_ONCE: Final = 5_000
ATTEMPTS: Final = 3


class OpenSearchIndex:
    """The port `SearchIndex`, read under the name `index` and written under the second name `writes`."""

    def __init__(self, client: OpenSearch, index: str, writes: str) -> None:
        self.index = index
        self._client = client
        self._writes = writes

    def apply(
        self,
        upserts: Sequence[SearchDocument],
        deletes: Sequence[tuple[MailboxId, MessageId]],
        cursors: Mapping[MailboxId, int],
    ) -> None:
        """See `SearchIndex.apply`."""
        gone = {message_key(*names): names[0] for names in deletes}
        newest = {message_key(one.mailbox_id, one.message_id): one for one in upserts}
        shown = not cursors.keys() >= {one.mailbox_id for one in upserts} | set(gone.values())
        self._write([bulk.put(key, one, gone_document(one)) for key, one in gone.items()], shown=shown)
        self._put({key: one for key, one in newest.items() if key not in gone}, shown=shown)
        reached = [bulk.replace(cursor_key(m), m, cursor_document(m, seq), made=True) for m, seq in cursors.items()]
        self._write(reached, shown=True)

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        """See `SearchIndex.relabel`."""
        statuses = self._write(
            [bulk.change(message_key(m.mailbox_id, m.message_id), m.mailbox_id, marks_document(m)) for m in marks]
        )
        return [one for one, status in zip(marks, statuses, strict=True) if status == bulk.MISSING]

    def drop_mailbox(self, mailbox_id: MailboxId) -> None:
        """See `SearchIndex.drop_mailbox`."""
        self._show_all()
        kinds = [{"term": {name: {"value": mailbox_id}}} for name in (MAILBOX, GONE_OF, CURSOR_OF)]
        parameters = {
            "routing": mailbox_id,
            "refresh": "true",
            "conflicts": "proceed",
            "max_docs": DROPPED_AT_ONCE,
            "request_timeout": WRITE_S,
        }
        left = True
        while left:
            with told():
                answer = self._client.transport.perform_request(
                    "POST",
                    f"/{self._writes}/_delete_by_query",
                    params=dict(parameters),  # the client takes out of it what is its own
                    body={"query": {"bool": {"should": kinds, "minimum_should_match": 1}}},
                )
            left = answer["total"] > 0

    def cursor(self, mailbox_id: MailboxId) -> int:
        """See `SearchIndex.cursor`."""
        return self.placed_cursor(mailbox_id)[0]

    def placed_cursor(self, mailbox_id: MailboxId) -> tuple[int, str]:
        """The same, and the index that told it."""
        answer = self._get_cursor(mailbox_id)
        return _told_seq(answer), str(answer["_index"])

    def cursors(self, mailbox_ids: Sequence[MailboxId]) -> Mapping[MailboxId, int]:
        """See `WholeIndex.cursors`."""
        if not mailbox_ids:
            return {}
        wanted = [{"_id": cursor_key(one), "routing": one, "_source": [SEQ]} for one in mailbox_ids]
        with told():
            answer = self._client.transport.perform_request(
                "POST",
                f"/{self.index}/_mget",
                params={"realtime": "false", "request_timeout": WRITE_S},
                body={"docs": wanted},
            )
        return {one: _told_seq(doc) for one, doc in zip(mailbox_ids, answer["docs"], strict=True)}

    def messages(self, mailbox_id: MailboxId) -> tuple[set[MessageId], int]:
        """See `WholeIndex.messages`: all of one moment."""
        with Moment(self._client, self.index, mailbox_id) as moment:
            return moment.messages(), moment.cursor()

    def search(self, mailbox_id: MailboxId, query: Query, *, limit: int = 50, cursor: str | None = None) -> Hits:
        """See `SearchIndex.search`."""
        after = None if cursor is None else read_cursor(cursor)
        as_of_seq = self.cursor(mailbox_id)
        answer = self._ask(mailbox_id, _page(mailbox_id, query, after=after, limit=limit))
        found = [Place(hit["sort"][0], MessageId(hit["sort"][1])) for hit in answer["hits"]["hits"]]
        return Hits(
            message_ids=tuple(place.message_id for place in found[:limit]),
            total=int(answer["hits"]["total"]["value"]),
            cursor=write_cursor(found[limit - 1]) if len(found) > limit else None,
            as_of_seq=as_of_seq,
        )

    def close(self) -> None:
        """Nothing is held: the client is shared."""

    def _put(self, documents: Mapping[str, SearchDocument], *, shown: bool) -> None:
        """New ones at once; of those that are there already, the older is replaced, which costs the server more."""
        left = {key: (one.mailbox_id, message_document(one)) for key, one in documents.items()}
        for _again in range(ATTEMPTS):
            statuses = self._write([bulk.create(key, *one) for key, one in left.items()], shown=shown)
            left = _those(left, statuses, bulk.EXISTS)
            statuses = self._write([bulk.replace(key, *one) for key, one in left.items()], shown=shown)
            left = _those(left, statuses, bulk.MISSING)
            if not left:
                return
        raise SearchUnavailableError("documents come and go in OpenSearch while they are written")

    def _write(self, writes: Sequence[bulk.Write], *, shown: bool = False) -> list[int]:
        return bulk.write(self._client, self._writes, writes, shown=shown)

    def _show_all(self) -> None:
        with told():
            self._client.transport.perform_request(
                "POST", f"/{self._writes}/_refresh", params={"request_timeout": WRITE_S}
            )

    def _get_cursor(self, mailbox_id: MailboxId) -> dict[str, Any]:
        parameters = {
            "routing": mailbox_id,
            "preference": mailbox_id,
            "realtime": "false",  # what the last refresh showed, and no more than that
            "request_timeout": SEARCH_S,
            "ignore": bulk.MISSING,
        }
        path = f"/{self.index}/_doc/{quote(cursor_key(mailbox_id), safe='')}"
        with told():
            answer: dict[str, Any] = self._client.transport.perform_request("GET", path, params=parameters)
        if "error" in answer:
            raise IndexMissingError(f"OpenSearch has no index {self.index}")
        return answer

    def _ask(self, mailbox_id: MailboxId, body: dict[str, Any]) -> dict[str, Any]:
        parameters = {
            "routing": mailbox_id,
            "preference": mailbox_id,
            "request_timeout": SEARCH_S,
            "cancel_after_time_interval": f"{SEARCH_S:.0f}s",
            "allow_partial_search_results": "false",
        }
        with told():
            answer: dict[str, Any] = self._client.transport.perform_request(
                "POST", f"/{self.index}/_search", params=parameters, body=body
            )
        return answer


def _page(mailbox_id: MailboxId, query: Query, *, after: Place | None, limit: int) -> dict[str, Any]:
    """What is asked for a page: one message more than it has, to see whether there is a next one."""
    body: dict[str, Any] = {
        "query": index_query(mailbox_id, query),
        "size": limit + 1,
        "sort": [{LISTED_AT: "desc"}, {MESSAGE_ID: "desc"}],
        "track_total_hits": True,
        "_source": False,
    }
    return body if after is None else {**body, "search_after": list(after)}


def _those(
    documents: Mapping[str, tuple[MailboxId, dict[str, Any]]], statuses: Sequence[int], status: int
) -> dict[str, tuple[MailboxId, dict[str, Any]]]:
    return {key: one for (key, one), told_ in zip(documents.items(), statuses, strict=True) if told_ == status}


def _told_seq(found: dict[str, Any]) -> int:
    if "error" in found:
        raise IndexMissingError(f"OpenSearch cannot tell a cursor: {found['error'].get('reason')}")
    return int(found["_source"][SEQ]) if found["found"] else 0
