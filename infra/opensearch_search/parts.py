"""OpenSearch as the settings describe it."""

from contextlib import ExitStack, suppress

from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.live import LiveOpenSearch
from infra.opensearch_search.server import OpenSearchServer, require
from infra.settings import Settings
from projections.search import SearchUnavailableError


class OpenSearchParts:
    """`SearchParts` of one cluster. Where it does not answer it is waited for; where it can never serve it says so."""

    def __init__(self, settings: Settings, epoch: str) -> None:
        self._client = OpenSearchServer(
            urls=settings.opensearch,
            user=settings.opensearch_user,
            password=settings.opensearch_password,
            authorities=settings.opensearch_ca,
        ).client()
        self._generations = OpenSearchGenerations(
            self._client, settings.opensearch_prefix, epoch, shards=settings.opensearch_shards
        )

    def live(self, closing: ExitStack) -> LiveOpenSearch:
        """See `SearchParts.live`."""
        require(self._client)
        with suppress(SearchUnavailableError):
            self._generations.require_readable()
        index = LiveOpenSearch(self._client, self._generations)
        closing.callback(index.close)
        return index

    def generations(self) -> OpenSearchGenerations:
        """See `SearchParts.generations`."""
        return self._generations
