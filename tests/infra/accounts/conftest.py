"""One composition a file: accounts of different tests have different addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.accounts.given_accounts import GivenAccounts, given_accounts


@pytest.fixture(scope="module")
def accounts(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GivenAccounts]:
    with given_accounts(module_database_url, _folder(tmp_path_factory)) as given:
        given.ensure_operator()
        yield given


@pytest.fixture(scope="module")
def other_process(accounts: GivenAccounts) -> Iterator[GivenAccounts]:
    """A second composition on the same database and data folder: what another process of the program is."""
    with GivenAccounts(accounts.settings) as other:
        yield other


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("accounts")
