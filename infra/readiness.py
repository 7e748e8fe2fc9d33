"""What `/readyz` asks: named checks, asked side by side, none of which can hold up who asks.

Whoever makes a part of a server adds its check: `parts.checks.add("redis", redis.check, needed=False)`. A check returns
where its server answers and raises, whatever it likes, where it does not.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from gateways.http.ports import Failing

Check = Callable[[], object]
ANSWER_S = 2.0
"""How long all checks together may take; one that has not answered then is failing until it does."""
_log = logging.getLogger(__name__)


class Checks:
    """The port `gateways.http.ports.Checks`. Any thread may add and ask."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self._checks: dict[str, _Check] = {}
        self._answer_s = answer_s

    def add(self, name: str, check: Check, *, needed: bool = True) -> None:
        """Ask this, too. Without what is not `needed` the service goes on, slower or with less to offer."""
        self._checks[name] = _Check(name, check, needed=needed)

    def failing(self) -> Sequence[Failing]:
        """What does not answer, in the order in which it was added."""
        checks = list(self._checks.values())
        asked = [(check, check.asked()) for check in checks]
        wait([answer for _, answer in asked], timeout=self._answer_s)
        return [Failing(check.name, needed=check.needed) for check, answer in asked if not check.holds(answer)]


class _Check:
    """One check, asked once at a time: a server that hangs holds one thread, however often is asked."""

    def __init__(self, name: str, check: Check, *, needed: bool) -> None:
        self.name, self.needed = name, needed
        self._check = check
        self._lock = threading.Lock()
        self._under_way: Future[None] | None = None
        self._held = True
        self._since = time.monotonic()

    def asked(self) -> "Future[None]":
        """The answer that is awaited, or one to a new question."""
        with self._lock:
            if self._under_way is None or self._under_way.done():
                self._under_way = Future()
                threading.Thread(target=self._ask, args=(self._under_way,), name=self.name, daemon=True).start()
            return self._under_way

    def _ask(self, answer: "Future[None]") -> None:
        try:
            self._check()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the server does not answer
            answer.set_exception(error)
        else:
            answer.set_result(None)

    def holds(self, answer: "Future[None]") -> bool:
        """Whether it was answered; the log is told when that changes."""
        error = answer.exception() if answer.done() else TimeoutError("no answer in time")
        with self._lock:
            was, self._held = self._held, error is None
            since, self._since = self._since, self._since if was == self._held else time.monotonic()
        if was and error is not None:
            _log.warning("%s does not answer: %r", self.name, error)
        elif not was and error is None:
            _log.info("%s answers again after %.0f s", self.name, time.monotonic() - since)
        return error is None
