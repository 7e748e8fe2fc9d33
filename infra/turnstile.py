"""Who may ask a server that may not answer: so many at a time, and after a failure one, and not at once.

Who asks holds a thread or a connection that others need, too. Where the server says nothing, few of them wait for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

AT_ONCE: Final = 8
REST_S: Final = 2.0
"""So long after a failure nobody asks."""


class Turnstile:
    """Lets callers through or turns them away at once. `away` is the error of a server that does not answer."""

    def __init__(
        self,
        away: type[Exception],
        *,
        at_once: int = AT_ONCE,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._away = away
        self._at_once = at_once
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = 0
        self._failed_at: float | None = None

    @contextmanager
    def passed(self) -> Iterator[None]:
        """The caller asks within this block; what it raises as `away` is a failure.

        Raises: `away`, for who is turned away.
        """
        self._enter()
        try:
            yield
        except self._away:
            self._failed_at = self._clock()
            raise
        else:
            self._failed_at = None
        finally:
            with self._lock:
                self._under_way -= 1

    def _enter(self) -> None:
        with self._lock:
            if self._failed_at is not None:
                if self._under_way or self._clock() < self._failed_at + self._rest_s:
                    raise self._away("it did not answer a moment ago")
            elif self._under_way >= self._at_once:
                raise self._away("as many as may ask it at once are under way")
            self._under_way += 1
