"""The Bayes filter after Robinson and Fisher: how spam-like each token is, and how they speak together.

A token's probability is drawn to one half while it was seen seldom. Of those that tell most the mean of their
logarithmic odds says to which side a message leans: 0 is evenly balanced, whatever the filter was taught. How sure that
is, Fisher's method says: a chi-square test in both directions, in which a message of which one half speaks for and one
half against it comes out undecided.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

UNKNOWN_STRENGTH = 0.1
"""How many sightings the guess of one half weighs as much as."""
LEAST_DISTANCE = 0.4
"""How far from one half a token must be to be asked."""
MOST_TOKENS = 400
LEAST_LEARNT = 20
"""Messages of each kind without which a filter knows nothing."""
UNDECIDED = 0.5


class Opinion(NamedTuple):
    """Of `tokens` telling tokens the mean logarithmic odds, and Fisher's indicator: 0 surely ham, 1 surely spam."""

    leaning: float
    indicator: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a filter was taught: of each token that tells something, how likely a message with it is spam."""

    spams: int = 0
    hams: int = 0
    telling: Mapping[int, float] = field(default_factory=dict)

    @property
    def is_enough(self) -> bool:
        """Whether it was taught enough of both kinds to judge."""
        return min(self.spams, self.hams) >= LEAST_LEARNT

    def opinion(self, tokens: Iterable[int]) -> Opinion:
        """What these tokens say together."""
        telling = self.telling
        return combined([telling[token] for token in tokens if token in telling])


def learnt(counts: Iterable[tuple[int, float, float]], *, spams: int, hams: int) -> Learnt:
    """What follows of (token, spams that have it, hams that have it), out of so many messages."""
    telling = {}
    for token, in_spams, in_hams in counts:
        likely = probability(in_spams, in_hams, spams=spams, hams=hams)
        if abs(likely - UNDECIDED) >= LEAST_DISTANCE:
            telling[token] = likely
    return Learnt(spams, hams, telling)


def probability(in_spams: float, in_hams: float, *, spams: int, hams: int) -> float:
    """That a message with a token is spam, were there as many of each kind."""
    of_spams, of_hams = in_spams / max(spams, 1), in_hams / max(hams, 1)
    seen = in_spams + in_hams
    if of_spams + of_hams == 0:
        return UNDECIDED
    observed = of_spams / (of_spams + of_hams)
    return (UNKNOWN_STRENGTH * UNDECIDED + seen * observed) / (UNKNOWN_STRENGTH + seen)


def combined(probabilities: list[float]) -> Opinion:
    """What the most telling of them say."""
    if len(probabilities) > MOST_TOKENS:
        probabilities = sorted(probabilities, key=lambda one: abs(one - UNDECIDED))[-MOST_TOKENS:]
    if not probabilities:
        return Opinion(0.0, UNDECIDED, 0)
    for_spam = sum(map(math.log, probabilities))
    for_ham = sum(math.log1p(-one) for one in probabilities)
    freedom = 2 * len(probabilities)
    indicator = (1 + _chi_square(-2 * for_spam, freedom) - _chi_square(-2 * for_ham, freedom)) / 2
    return Opinion((for_spam - for_ham) / len(probabilities), indicator, len(probabilities))


def _chi_square(value: float, freedom: int) -> float:
    """The chance of a larger value, for an even number of degrees of freedom."""
    half = value / 2
    term = total = math.exp(-half)
    for step in range(1, freedom // 2):
        term *= half / step
        total += term
    return min(total, 1.0)
