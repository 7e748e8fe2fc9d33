"""The post office of these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.queue import Clock
from tests.post_office import PostOffice, post_office


@pytest.fixture
def clock() -> Clock:
    """The time, which the test moves."""
    return Clock()


@pytest.fixture
def office(database_url: str, data_folder: Path, clock: Clock) -> Iterator[PostOffice]:
    """A post office with the mailboxes of ann and carl, and a clock that the test moves."""
    with post_office(database_url, data_folder, clock_ms=clock) as made:
        made.open_mailbox("m1", "ann@example.test")
        made.open_mailbox("m2", "carl@example.test")
        yield made
