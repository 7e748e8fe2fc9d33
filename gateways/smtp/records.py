"""What came from each address lately: mail that was taken, and what was refused, fading by half every hour.

An address of which nearly everything is refused gets fewer connections. Kept in memory, which is bounded; an address of
one's own machine or network has no record.
"""

import ipaddress

HALF_LIFE_S = 3_600.0
LEAST = 20.0
"""So much must have come before anything is said of an address."""
BAD_SHARE = 0.9
MOST_SOURCES = 10_000
"""Sources in memory; from twice as many on those alone are kept of which most was refused."""


class Records:
    """Counts by source, as `gateways.smtp.admission.source_of` tells it. Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, float, float]] = {}

    def add(self, source: str, *, good: int = 0, bad: int = 0, now_s: float) -> None:
        """So much was taken from the source, or refused."""
        if _is_own(source):
            return
        was_good, was_bad = self._faded(source, now_s)
        self._counts[source] = (was_good + good, was_bad + bad, now_s)
        if len(self._counts) > 2 * MOST_SOURCES:
            worst = sorted(self._counts, key=lambda one: self._counts[one][1])[-MOST_SOURCES:]
            self._counts = {one: self._counts[one] for one in worst}

    def is_bad(self, source: str, *, now_s: float) -> bool:
        """Whether nearly all that came from it lately was refused."""
        good, bad = self._faded(source, now_s)
        return bad >= LEAST and bad >= BAD_SHARE * (good + bad)

    def _faded(self, source: str, now_s: float) -> tuple[float, float]:
        good, bad, at_s = self._counts.get(source, (0.0, 0.0, now_s))
        left = 0.5 ** ((now_s - at_s) / HALF_LIFE_S)
        return good * left, bad * left


def _is_own(source: str) -> bool:
    try:
        network = ipaddress.ip_network(source)
    except ValueError:
        return True
    return network.is_private
