"""The OpenSearch index: the contract, and what only several writers of one index can do to it."""

from collections.abc import Iterator

import pytest

from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.live import LiveOpenSearch
from tests.contracts.search_index import SearchIndexContract, filled_index
from tests.servers import fresh_search, opensearch_server

__all__ = ["filled_index"]  # a fixture of the contract

pytestmark = pytest.mark.servers


@pytest.fixture
def generations() -> Iterator[OpenSearchGenerations]:
    with fresh_search() as made:
        yield made


def live(generations: OpenSearchGenerations) -> LiveOpenSearch:
    """As another process opens it."""
    return LiveOpenSearch(opensearch_server().client(), generations)


@pytest.fixture
def index(generations: OpenSearchGenerations) -> Iterator[LiveOpenSearch]:
    generations.ensure_live()
    opened = live(generations)
    yield opened
    opened.close()


@pytest.fixture(scope="class")
def shared_index() -> Iterator[LiveOpenSearch]:
    with fresh_search() as made:
        made.ensure_live()
        opened = live(made)
        yield opened
        opened.close()


class TestOpenSearch(SearchIndexContract):
    """The contract of tests/contracts/search_index.py."""
