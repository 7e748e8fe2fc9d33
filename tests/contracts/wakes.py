"""What all who tell of heads keep to; a subclass of `WakesContract` gives `open_announcer` and `open_listener`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from domain.ids import MailboxId
from infra.wakes import Announcer, Heads

PATIENCE_S = 20.0
OpenAnnouncer = Callable[[], AbstractContextManager[Announcer]]
OpenListener = Callable[[Callable[[Heads], None], Callable[[], None]], AbstractContextManager[object]]
"""As another process does: who takes heads, and what is called when hints may have been lost."""


class Ears:
    """What was heard, and a wait for it."""

    def __init__(self) -> None:
        self.heads: dict[MailboxId, int] = {}
        self.gaps = 0
        self._changed = threading.Condition()

    def hear(self, heads: Heads) -> None:
        with self._changed:
            self.heads.update(heads)
            self._changed.notify_all()

    def gap(self) -> None:
        with self._changed:
            self.gaps += 1
            self._changed.notify_all()

    def wait_for(self, what: Callable[["Ears"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: what(self), PATIENCE_S), (self.gaps, len(self.heads))


@contextmanager
def listening(open_listener: OpenListener) -> Iterator[Ears]:
    ears = Ears()
    with open_listener(ears.hear, ears.gap):
        ears.wait_for(lambda one: one.gaps > 0)
        yield ears


class WakesContract:
    """The promises, one test each."""

    @pytest.fixture
    def ears(self, open_listener: OpenListener) -> Iterator[Ears]:
        with listening(open_listener) as found:
            yield found

    def test_a_head_that_is_announced_is_heard(self, open_announcer: OpenAnnouncer, ears: Ears) -> None:
        with open_announcer() as announcer:
            announcer.announce([(MailboxId("m1"), 7)])
            ears.wait_for(lambda one: one.heads == {"m1": 7})

    def test_more_heads_than_one_message_takes_are_all_heard(self, open_announcer: OpenAnnouncer, ears: Ears) -> None:
        heads = {MailboxId(f"m{number:060}"): number for number in range(1000)}
        with open_announcer() as announcer:
            announcer.announce(list(heads.items()))
            ears.wait_for(lambda one: one.heads == heads)

    def test_what_is_announced_last_is_heard_though_the_announcer_closes(
        self, open_announcer: OpenAnnouncer, ears: Ears
    ) -> None:
        with open_announcer() as announcer:
            for head in range(1, 50):
                announcer.announce([(MailboxId("m1"), head)])
        ears.wait_for(lambda one: one.heads == {"m1": 49})

    def test_every_process_hears(self, open_announcer: OpenAnnouncer, open_listener: OpenListener, ears: Ears) -> None:
        with ExitStack() as stack:
            everybody = [ears, *(stack.enter_context(listening(open_listener)) for _ in range(3))]
            stack.enter_context(open_announcer()).announce([(MailboxId("m2"), 3)])
            for one in everybody:
                one.wait_for(lambda found: found.heads == {"m2": 3})
