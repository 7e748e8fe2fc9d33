"""Who guesses passwords waits for each answer, and each time longer."""

import time
from collections import OrderedDict
from collections.abc import Callable

FIRST_S, LONGEST_S = 0.5, 20.0
FORGOTTEN_S = 600.0
MOST_SOURCES = 10_000


class Tarpit:
    """Counts failures by source as this process sees them. Used on the event loop's thread alone; never waits.

    A source is forgotten ten minutes after its last failure, or where 10,000 others have failed since.
    """

    def __init__(
        self, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._clock_s = clock_s
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def failed(self, source: str) -> float:
        """How many seconds the answer to one more failure waits: twice as long each time, up to a bound."""
        now_s = self._clock_s()
        last_s, before_s = self._failures.pop(source, (now_s, 0.0))
        delay_s = self._first_s if now_s - last_s > FORGOTTEN_S or not before_s else before_s * 2
        delay_s = min(delay_s, self._longest_s)
        self._failures[source] = now_s, delay_s
        if len(self._failures) > MOST_SOURCES:
            self._failures.popitem(last=False)
        return delay_s
