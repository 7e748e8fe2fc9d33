"""One browser for all tests of a module. Its driver keeps an event loop in the thread: it ends with the module."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.gateways.web.browsing import Watched, chromium, watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    """A browser context in which nothing may go wrong and nothing may leave loopback."""
    with watched(browser, viewport={"width": 1280, "height": 800}) as made:
        yield made
