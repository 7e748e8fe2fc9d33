"""Group commit without a thread of its own: who comes first runs the work of all who wait meanwhile."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class WorkBrokenOffError(Exception):
    """The thread that did the work of several was ended meanwhile: for all it knows, this item's was not done."""


class _Waiting(Generic[Item]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.called = threading.Event()
        self.leads = False
        self.tried = False
        self.error: Exception | None = None


class Gathering(Generic[Item]):
    """Runs `work` on items handed in by many threads, many at once; alone, an item waits for nobody.

    If gathered work fails each item is tried by itself, so that only the guilty one fails: `work` on several items
    happens wholly or not at all, and may be repeated.
    """

    def __init__(self, work: Callable[[Sequence[Item]], None], *, most: int = 256) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Item]] = []
        self._busy = False

    def run(self, item: Item) -> None:
        """Return when the work on `item` is done.

        Raises: what `work` raised for it; WorkBrokenOffError, when the thread that did it is being ended.
        """
        mine = _Waiting(item)
        with self._lock:
            self._waiting.append(mine)
            if not self._busy:
                self._busy = True
                self._call_next()
        mine.called.wait()
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error

    def _call_next(self) -> None:
        self._waiting[0].leads = True
        self._waiting[0].called.set()

    def _lead(self) -> None:
        with self._lock:
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
        try:
            self._run_all(batch)
        except BaseException as ended:
            for waiting in batch:
                if not waiting.tried:
                    waiting.error = WorkBrokenOffError(repr(ended))
            raise
        finally:
            with self._lock:
                if self._waiting:
                    self._call_next()
                else:
                    self._busy = False
            for waiting in batch:
                waiting.called.set()

    def _run_all(self, batch: Sequence[_Waiting[Item]]) -> None:
        try:
            self._work([waiting.item for waiting in batch])
        except Exception as error:  # noqa: BLE001 - handed to those whose work it was
            if len(batch) > 1:
                for waiting in batch:
                    self._run_all([waiting])
                return
            batch[0].error = error
        for waiting in batch:
            waiting.tried = True
