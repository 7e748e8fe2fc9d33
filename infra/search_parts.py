"""The search index that the settings pick: as it is asked and fed, and its generations as a rebuild wants them."""

from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from infra.accounts.outages import Connect
from infra.search_epoch import search_epoch
from infra.search_generations import LiveIndex, SearchGenerations
from infra.settings import Settings
from infra.tantivy_search.live import open_live
from infra.tantivy_search.rebuilding import TantivyGenerations


class SearchParts(Protocol):
    """What stands behind `LEDGERMAIL_SEARCH`."""

    def live(self, closing: ExitStack) -> LiveIndex:
        """The live index, closed by `closing`. One thread feeds it, any number search.

        Raises: OperatorError, where it can never be used as it is.
        """

    def generations(self) -> SearchGenerations:
        """Its generations."""


def search_parts(settings: Settings, connect: Connect) -> SearchParts:
    """The parts that the settings pick."""
    if settings.search == "opensearch":
        from infra.opensearch_search.parts import OpenSearchParts  # only who uses it pays for importing its client

        with connect() as connection:
            return OpenSearchParts(settings, search_epoch(connection))
    return _TantivyParts(settings.data / "search")


class _TantivyParts:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def live(self, closing: ExitStack) -> LiveIndex:
        index = open_live(self._folder)
        closing.callback(index.close)
        return index

    def generations(self) -> SearchGenerations:
        return TantivyGenerations(self._folder)
