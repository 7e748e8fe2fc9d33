"""One flush for all who wait for it: what sixteen threads renamed into a folder, one fsync of it makes durable."""

import threading
from collections.abc import Callable


class SharedFlush:
    """Runs `flush` so that each caller of `wait` gets one that began after its call, and as few as possible run."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._changed = threading.Condition()
        self._running = False
        self._begun = 0
        self._done = 0
        self._failed = 0
        self._error: BaseException | None = None

    def wait(self) -> None:
        """Return once a flush that began after this call is over.

        Raises: what the flush raised, in everyone who relied on it: a later one that succeeds proves nothing.
        """
        with self._changed:
            needed = self._begun + 1
            while self._running and max(self._done, self._failed) < needed:
                self._changed.wait()
            if self._failed >= needed:
                raise OSError("the flush that this write relied on failed") from self._error
            if self._done >= needed:
                return
            self._running = True
            self._begun += 1
            turn = self._begun
        self._lead(turn)

    def _lead(self, turn: int) -> None:
        try:
            self._flush()
        except BaseException as error:
            self._finish(turn, error)
            raise
        self._finish(turn, None)

    def _finish(self, turn: int, error: BaseException | None) -> None:
        with self._changed:
            self._running = False
            if error is None:
                self._done = turn
            else:
                self._failed, self._error = turn, error
            self._changed.notify_all()
