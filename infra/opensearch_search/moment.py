"""A mailbox as an index shows it at one moment, however long it is read: a point in time of the server's, walked.

For reading it whole, to compare it. People's pages need none: they go on behind a place in the list, and a moment held
for each of them would cost the server more than it may hold (300 a node), and would show what has changed since.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from domain.ids import MailboxId, MessageId
from infra.opensearch_search.schema import CURSOR_OF, MAILBOX, MESSAGE_ID, SEQ
from infra.opensearch_search.server import WRITE_S, told

KEEP_ALIVE: Final = "1m"
PAGE: Final = 5_000


class Moment:
    """The moment at which its `with` block is entered. Raises SearchUnavailableError."""

    def __init__(self, client: OpenSearch, index: str, mailbox_id: MailboxId) -> None:
        self._client = client
        self._index = index
        self._mailbox_id = mailbox_id
        self._name = ""

    def __enter__(self) -> Self:
        parameters = {"keep_alive": KEEP_ALIVE, "routing": self._mailbox_id, "request_timeout": WRITE_S}
        with told():
            answer = self._client.transport.perform_request(
                "POST", f"/{self._index}/_search/point_in_time", params=parameters
            )
        self._name = str(answer["pit_id"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._client.transport.perform_request(
                "DELETE", "/_search/point_in_time", params={"request_timeout": WRITE_S}, body={"pit_id": [self._name]}
            )
        except OpenSearchException:
            return  # it ends by itself

    def messages(self) -> set[MessageId]:
        """Every message of the mailbox."""
        return {MessageId(hit["sort"][0]) for hit in self._walk({"term": {MAILBOX: {"value": self._mailbox_id}}})}

    def cursor(self) -> int:
        """The seq that the mailbox had reached; 0 where nothing was applied."""
        cursor = {"term": {CURSOR_OF: {"value": self._mailbox_id}}}
        hits = self._ask({"query": cursor, "size": 1, "_source": [SEQ]})
        return int(hits[0]["_source"][SEQ]) if hits else 0

    def _walk(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        body: dict[str, Any] = {"query": query, "size": PAGE, "_source": False, "sort": [{MESSAGE_ID: "asc"}]}
        while hits := self._ask(body):
            yield from hits
            body["search_after"] = hits[-1]["sort"]

    def _ask(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        asked = {**body, "pit": {"id": self._name, "keep_alive": KEEP_ALIVE}, "track_total_hits": False}
        with told():
            answer = self._client.transport.perform_request(
                "POST", "/_search", params={"request_timeout": WRITE_S}, body=asked
            )
        found: list[dict[str, Any]] = answer["hits"]["hits"]
        return found
