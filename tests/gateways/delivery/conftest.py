"""The post office of these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.post_office import PostOffice, post_office


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    """A post office with the mailboxes of ann and carl."""
    with post_office(database_url, data_folder) as made:
        made.open_mailbox("m1", "ann@example.test", "anna@example.test")
        made.open_mailbox("m2", "carl@example.test")
        yield made
