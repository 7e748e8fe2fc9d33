"""OpenSearch as the settings describe it."""

from contextlib import ExitStack, suppress

from opensearchpy import OpenSearch

from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.live import LiveOpenSearch
from infra.opensearch_search.server import OpenSearchServer, require
from infra.settings import Settings
from projections.search import SearchUnavailableError


class OpenSearchParts:
    """`SearchParts` of one cluster. Where it does not answer it is waited for; where it can never serve it says so."""

    def __init__(self, settings: Settings, epoch: str) -> None:
        self._settings = settings
        self._epoch = epoch
        self._server = OpenSearchServer(
            urls=settings.opensearch,
            user=settings.opensearch_user,
            password=settings.opensearch_password,
            authorities=settings.opensearch_ca,
        )

    def live(self, closing: ExitStack) -> LiveOpenSearch:
        """See `SearchParts.live`."""
        client = self._server.client()
        index = LiveOpenSearch(client, self._generations(client))
        closing.callback(index.close)
        require(client)
        with suppress(SearchUnavailableError):
            self._generations(client).require_readable()
        return index

    def generations(self) -> OpenSearchGenerations:
        """See `SearchParts.generations`."""
        return self._generations(self._server.client())

    def _generations(self, client: OpenSearch) -> OpenSearchGenerations:
        settings = self._settings
        return OpenSearchGenerations(client, settings.opensearch_prefix, self._epoch, shards=settings.opensearch_shards)
