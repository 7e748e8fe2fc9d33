"""The service of these tests, and two people with accounts."""

from collections.abc import Iterator

import pytest

from tests.conftest import temporary_data_folder
from tests.http_house import House, Person, running


@pytest.fixture(scope="module")
def house(module_database_url: str) -> Iterator[House]:
    """The service, shared by the tests of one file."""
    with temporary_data_folder() as folder, running(module_database_url, folder) as found:
        yield found


@pytest.fixture
def ann(house: House) -> Person:
    return house.person("ann")


@pytest.fixture
def bob(house: House) -> Person:
    return house.person("bob")
