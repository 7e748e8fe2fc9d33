"""Telling of heads by NOTIFY, also to a process that holds more connections than a descriptor set of `select` names."""

import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

import pytest

from domain.ids import MailboxId
from infra.wakes import Announcer, Listener, PostgresTeller
from tests.contracts.wakes import OpenAnnouncer, OpenListener, WakesContract

DESCRIPTORS = 1100


class TestNotify(WakesContract):
    @pytest.fixture
    def open_announcer(self, module_database_url: str) -> OpenAnnouncer:
        return lambda: closing(Announcer(PostgresTeller(module_database_url)))

    @pytest.fixture
    def open_listener(self, module_database_url: str) -> OpenListener:
        return lambda hear, gap: closing(Listener(module_database_url, hear, gap))


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    with ExitStack() as opened:
        for _ in range(DESCRIPTORS):
            opened.enter_context(open("/dev/null", "rb"))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_listener_hears_on_a_descriptor_above_a_thousand(database_url: str) -> None:
    listening, heard = threading.Event(), threading.Event()
    found: list[tuple[MailboxId, int]] = []

    def hear(heads: Sequence[tuple[MailboxId, int]]) -> None:
        found.extend(heads)
        heard.set()

    listener, announcer = Listener(database_url, hear, listening.set), Announcer(PostgresTeller(database_url))
    try:
        assert listening.wait(10)
        announcer.announce([(MailboxId("m1"), 7)])
        assert heard.wait(10)
    finally:
        announcer.close()
        listener.close()
    assert found == [("m1", 7)]
