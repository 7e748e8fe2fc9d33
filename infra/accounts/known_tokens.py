"""The port of what tokens stood for a moment ago, and the memory of this process.

What ended anywhere is believed nowhere longer than `BELIEVED_S`, counted from before the question that found it
standing; what ended here is not believed here at all.
"""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from gateways.accounts import Principal

BELIEVED_S = 0.9
REMEMBERED = 20_000


class Moment(NamedTuple):
    """When a question began: by this process's clock, and (ms) by the one that processes share, if there is one."""

    own_s: float
    shared_ms: int | None = None


class KnownTokens(Protocol):
    """By the hash of the token; from many threads. Never waits long, never fails."""

    def find(self, key: bytes) -> Principal | Moment:
        """Whom the token speaks for; where that must be asked, the moment at which the question begins."""
        ...

    def note(self, key: bytes, principal: Principal, asked: Moment) -> None:
        """A question that began then found that the token speaks for this one."""
        ...

    def forget(self, keys: Iterable[bytes]) -> None:
        """These tokens stand for nobody any more: whatever was asked before their end is not believed."""
        ...


class RememberedTokens:
    """In this process's memory. A token that ended here is remembered as such while older answers may still come."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._known: dict[bytes, tuple[Principal | None, float]] = {}

    def find(self, key: bytes) -> Principal | Moment:
        """Whom the token speaks for; see `KnownTokens.find`."""
        principal, until_s = self._known.get(key, (None, 0.0))
        now = self._clock_s()
        return principal if principal is not None and now < until_s else Moment(now)

    def has_ended(self, key: bytes) -> bool:
        """Whether it ended here a moment ago."""
        principal, until_s = self._known.get(key, (None, 0.0))
        return principal is None and self._clock_s() < until_s

    def note(self, key: bytes, principal: Principal, asked: Moment) -> None:
        """What was found; see `KnownTokens.note`."""
        if not self.has_ended(key):
            self._put(key, principal, asked.own_s + BELIEVED_S)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Believe no longer in these; see `KnownTokens.forget`."""
        until_s = self._clock_s() + BELIEVED_S
        for key in keys:
            self._put(key, None, until_s)

    def _put(self, key: bytes, principal: Principal | None, until_s: float) -> None:
        if len(self._known) >= REMEMBERED:
            now = self._clock_s()
            standing = [(one, kept) for one, kept in list(self._known.items()) if now < kept[1]]
            self._known = dict(standing[-REMEMBERED // 2 :])
        self._known[key] = (principal, until_s)
