"""What the DNS answered lately: the least recently asked goes first, and nothing stays longer than it says."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dns.rdatatype import RdataType

from gateways.authentication.dns import Answer, DnsTemporaryError

MAX_BYTES = 16 * 2**20
MAX_S = 3600.0
MAX_VOID_S = 900.0
FAILURE_S = 5.0
"""So long a question that found no answer is not asked again."""

_Question = tuple[bytes, RdataType]


@dataclass(frozen=True, slots=True)
class _Known:
    until_s: float
    size_bytes: int
    answer: Answer[Any] | None
    failure: str = ""


class DnsMemory:
    """Answers by question, at most `MAX_BYTES` of them by their own account."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._known: OrderedDict[_Question, _Known] = OrderedDict()
        self._bytes = 0

    def recall(self, name: bytes, kind: RdataType) -> Answer[Any] | None:
        """The answer, where one is known.

        Raises: DnsTemporaryError: a moment ago there was none.
        """
        known = self._known.get((name, kind))
        if known is None or known.until_s <= self._clock_s():
            return None
        self._known.move_to_end((name, kind))
        if known.answer is None:
            raise DnsTemporaryError(known.failure)
        return known.answer

    def keep(self, name: bytes, kind: RdataType, answer: Answer[Any], *, ttl_s: float, size_bytes: int) -> None:
        """Remember an answer for its time to live, an hour at most; that there is nothing, for 15 minutes."""
        for_s = min(ttl_s, MAX_VOID_S if answer.is_void else MAX_S)
        self._put((name, kind), _Known(self._clock_s() + for_s, size_bytes, answer))

    def keep_failure(self, name: bytes, kind: RdataType, failure: str) -> None:
        """Remember for a moment that there was no answer."""
        self._put((name, kind), _Known(self._clock_s() + FAILURE_S, 200 + len(failure), None, failure))

    def _put(self, question: _Question, known: _Known) -> None:
        before = self._known.pop(question, None)
        self._bytes += known.size_bytes - (before.size_bytes if before is not None else 0)
        self._known[question] = known
        while self._bytes > MAX_BYTES:
            _question, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.size_bytes
