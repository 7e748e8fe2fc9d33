"""Who waits for something new in which mailbox: a registry on the event loop, told from outside it.

Nobody who waits holds a thread or a database connection. Whoever was not told, because a hint got lost, is found by the
poll behind: one query for the heads of all mailboxes that are watched.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from types import TracebackType
from typing import Protocol, Self

from domain.ids import MailboxId

POLL_S = 3.0
REMEMBERED = 4096
"""Of so many mailboxes the last head told is kept."""
_log = logging.getLogger(__name__)

Heads = Sequence[tuple[MailboxId, int]]


class Watched(Protocol):
    """What watches a mailbox; `head` is the highest seq told since it began, `count` how many clients it stands for."""

    mailbox_id: MailboxId
    head: int

    @property
    def count(self) -> int: ...

    def tell(self, head: int) -> None:
        """The mailbox's head is at least this."""

    def give_up(self) -> None:
        """The service stops: end the wait, if there is one."""


class Watch:
    """One client's view on one mailbox, for a task that waits."""

    __slots__ = ("_future", "_waiters", "head", "mailbox_id")
    count = 1

    def __init__(self, waiters: "Waiters", mailbox_id: MailboxId) -> None:
        self._waiters = waiters
        self._future: asyncio.Future[bool] | None = None
        self.mailbox_id = mailbox_id
        self.head = 0

    def __enter__(self) -> Self:
        self._waiters.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiters.remove(self)

    async def beyond(self, seq: int, *, within_s: float) -> bool:
        """Wait until the head is above `seq`; false when the time is over, the client left or the service stops."""
        if self.head > seq:
            return True
        if self._waiters.closed or within_s <= 0:
            return False
        loop = asyncio.get_running_loop()
        self._future = loop.create_future()
        timer = loop.call_later(within_s, self.give_up)
        try:
            while not (self.head > seq):
                if not await self._future:
                    return False
                self._future = loop.create_future()
            return True
        finally:
            timer.cancel()
            self._future = None

    def tell(self, head: int) -> None:
        """The mailbox's head is at least this."""
        if head > self.head:
            self.head = head
            self._resolve(True)

    def give_up(self) -> None:
        """End the wait, if there is one."""
        self._resolve(False)

    def _resolve(self, told: bool) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(told)


class Waiters:
    """Everybody who waits in this process. `heads_of` asks the database; it runs on `executor`."""

    def __init__(
        self,
        heads_of: Callable[[list[MailboxId]], Mapping[MailboxId, int]],
        executor: Executor,
        *,
        poll_s: float = POLL_S,
    ) -> None:
        self._heads_of = heads_of
        self._executor = executor
        self._poll_s = poll_s
        self._watched: dict[MailboxId, set[Watched]] = {}
        self._lately: OrderedDict[MailboxId, int] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polling: asyncio.Task[None] | None = None
        self.closed = False

    @property
    def count(self) -> int:
        """How many clients watch at present."""
        return sum(watch.count for watches in self._watched.values() for watch in watches)

    def watch(self, mailbox_id: MailboxId) -> Watch:
        """A watch on a mailbox, in force within its `with` block."""
        return Watch(self, mailbox_id)

    def listen(self) -> None:
        """Take hints from now on; the loop that runs now is the one that all calls come from. Safe to repeat."""
        if self._polling is None or self._polling.done():
            self._loop = asyncio.get_running_loop()
            self._polling = self._loop.create_task(self._poll(), name="heads")

    def add(self, watch: Watched) -> None:
        """Begin to tell a watch, of what was heard lately first: whoever read before it watched misses nothing."""
        self.listen()
        watch.head = self._lately.get(watch.mailbox_id, 0)
        self._watched.setdefault(watch.mailbox_id, set()).add(watch)

    def remove(self, watch: Watched) -> None:
        """Tell it no more."""
        watches = self._watched.get(watch.mailbox_id)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watched[watch.mailbox_id]

    def tell(self, heads: Heads) -> None:
        """These mailboxes have these heads."""
        for mailbox_id, head in heads:
            self._lately[mailbox_id] = max(head, self._lately.pop(mailbox_id, 0))
            for watch in self._watched.get(mailbox_id, ()):
                watch.tell(head)
        while len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    def tell_from_thread(self, heads: Heads) -> None:
        """`tell`, from any thread; nobody is told before anybody watches."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.tell, heads)

    def ask_from_thread(self) -> None:
        """Hints may have been lost: ask for all heads now, from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ask_soon)

    def close(self) -> None:
        """The service stops: everybody who waits is let go, and nobody waits any more. From any thread."""
        self.closed = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
        for watch in [watch for watches in self._watched.values() for watch in watches]:
            watch.give_up()

    def _ask_soon(self) -> None:
        if self._loop is not None and not self.closed:
            asking = self._loop.create_task(self._ask())
            asking.add_done_callback(_shown)

    async def _poll(self) -> None:
        while not self.closed:
            await asyncio.sleep(self._poll_s)
            await self._ask()

    async def _ask(self) -> None:
        watched = list(self._watched)
        if not watched:
            return
        loop = asyncio.get_running_loop()
        try:
            heads = await loop.run_in_executor(self._executor, self._heads_of, watched)
        except Exception as error:  # noqa: BLE001 - an outage is waited out: the next poll asks again
            _log.warning("the heads of %d mailboxes could not be asked: %s", len(watched), error)
            return
        self.tell(list(heads.items()))


def _shown(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("asking for heads failed: %r", task.exception())
