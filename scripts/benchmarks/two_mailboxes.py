"""A small and a large mailbox of one installation, filled through the lane as mail fills them, with a search index."""

from collections import deque
from concurrent.futures import Future

import msgspec
import psycopg

from domain.commands import Outcome
from domain.ids import MailboxId
from infra.search_generations import LiveIndex
from infra.search_view import SearchView
from scripts.benchmarks.accounts import Holder, open_accounts
from scripts.benchmarks.mails import delivery, number_of, parsed
from scripts.benchmarks.stage import Stage, Store, say

IN_FLIGHT = 1024
READ_OF_TEN = 9
"""So many of ten mails are read."""
_FOLLOWED = (
    "INSERT INTO followers AS f (view, mailbox_id, applied_seq) VALUES ('search', %s, %s)"
    " ON CONFLICT (view, mailbox_id) DO UPDATE SET applied_seq = greatest(f.applied_seq, excluded.applied_seq)"
)


class TwoMailboxes(msgspec.Struct, eq=False):
    """The two, and what is asked of them."""

    store: Store
    index: LiveIndex
    small: Holder
    large: Holder
    next_number: dict[MailboxId, int]

    @property
    def both(self) -> tuple[Holder, Holder]:
        """The small one first."""
        return self.small, self.large


_filled: dict[int, TwoMailboxes] = {}


def two_mailboxes(stage: Stage) -> TwoMailboxes:
    """Filled when first asked for."""
    if id(stage) not in _filled:
        _filled[id(stage)] = _fill(stage)
    return _filled[id(stage)]


def _fill(stage: Stage) -> TwoMailboxes:
    sizes, store = stage.sizes, stage.installation
    small, large = open_accounts(stage, ["small", "large"])
    index = stage.search_index()
    store.touch_blobs(sizes.large + 10_000)
    for holder, messages in ((small, sizes.small), (large, sizes.large)):
        say(f"filling a mailbox with {messages:,} messages through the lane")
        fill(store, holder.mailbox_id, messages)
        reached = _index(store, index, holder.mailbox_id)
        if stage.servers is not None:  # the service's own index: its follower goes on from there
            store.rows_done(_FOLLOWED, (holder.mailbox_id, reached))
    store.settle()
    numbers = {small.mailbox_id: sizes.small, large.mailbox_id: sizes.large}
    return TwoMailboxes(store, index, small, large, numbers)


def fill(store: Store, mailbox_id: MailboxId, messages: int) -> None:
    """Deliver so many mails, gathered as densely as the lane takes them; nine of ten are read."""
    waiting: deque[Future[Outcome]] = deque()
    for number in range(messages):
        keywords = ("$seen",) if number % 10 < READ_OF_TEN else ()
        waiting.append(store.lane.submit(delivery(mailbox_id, number, keywords=keywords)))
        if len(waiting) >= IN_FLIGHT:
            waiting.popleft().result()
    for future in waiting:
        future.result()


def _index(store: Store, index: LiveIndex, mailbox_id: MailboxId) -> None:
    """Feed the index as its follower does, with the mails' texts."""
    view = SearchView(index, lambda blob: parsed(number_of(blob)))
    since = 0
    with psycopg.connect(store.url, autocommit=True) as connection:
        while events := store.reader.batch(mailbox_id, since, limit=500):
            since = view.apply(connection, mailbox_id, events)
            if since < events[-1].seq or since % 4000 < 500:
                view.settle()
        view.settle()
    return since
