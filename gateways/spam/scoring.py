"""One calibrated score of a message, from 0 to 1, of what the layers say: and why, in plain words.

0.3 is where as much speaks for spam as against it, 0.7 where no ham that anybody has measured lies. A taught Bayes
filter decides; the rules, which it has learnt as tokens, decide where it was taught too little, and never as much as
a refusal: an installation begins mild.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from gateways.spam.bayes import Learnt, Opinion
from gateways.spam.letter import Letter, read_letter
from gateways.spam.rules import Rule, matched
from gateways.spam.token_ids import TokenIds
from gateways.spam.tokens import tokens

SPAM_FROM, REFUSED_ABOVE = 0.3, 0.7
MOST_BY_RULES = 0.6
LEAST_TELLING = 3
"""Telling tokens without which the Bayes filter says nothing."""
SURE = 0.99
LEAST_REPORTERS, BY_REPORTER, MOST_BY_REPORTS = 3, 0.1, 0.6
"""Fewer users than this have no say over the others' mail; all together they alone never have mail refused."""
_BY_LEANING = ((-4.0, 0.0), (0.0, 0.3), (2.5, 0.7), (5.0, 1.0))
_BY_POINTS = ((-1.0, 0.0), (0.0, 0.05), (5.0, 0.3), (10.0, MOST_BY_RULES))
_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_LIKE_SPAM = "Its words are those of messages that were reported as spam."
_REPORTED = "Several people here reported its sender as sending spam."
_TEST = "It is the test message that every spam filter takes for spam."


class Score(msgspec.Struct, frozen=True):
    """`value` from 0 to 1, the reasons for it as sentences, and what each layer that was asked said by itself."""

    value: float
    reasons: tuple[str, ...]
    layers: dict[str, float]


class Content(msgspec.Struct, frozen=True):
    """What one reading of a message gives: the rules that are true of it, and its tokens."""

    letter: Letter
    rules: tuple[Rule, ...]
    is_test: bool

    def tokens(self, ids: TokenIds) -> tuple[int, ...]:
        """Its tokens as numbers."""
        return tuple(ids.of(tokens(self.letter, self.rules)))


def is_test(message: bytes) -> bool:
    """Whether it is the message by which one sees that there is a filter."""
    return _GTUBE in message


def content_of(message: bytes) -> Content:
    """Read a message, or its beginning; never raises."""
    letter = read_letter(message)
    return Content(letter, tuple(matched(letter)), is_test(message))


def tokens_of(message: bytes, ids: TokenIds) -> tuple[int, ...]:
    """The tokens of a message, or of its beginning, as numbers."""
    return content_of(message).tokens(ids)


def score(content: Content, learnt: Learnt, ids: TokenIds) -> Score:
    """What rules and filter say together; an untaught filter is not asked, and costs nothing."""
    if content.is_test:
        return Score(1.0, (_TEST,), {"rules": 1.0})
    by_rules = _on(_BY_POINTS, sum(rule.points for rule in content.rules))
    reasons = _reasons(content.rules)
    opinion = learnt.opinion(content.tokens(ids)) if learnt.is_enough else None
    if opinion is None or opinion.tokens < LEAST_TELLING:
        return Score(by_rules, reasons if by_rules >= SPAM_FROM else (), {"rules": by_rules})
    value = by_opinion(opinion)
    layers = {"rules": by_rules, "bayes": value}
    return Score(value, (_LIKE_SPAM, *reasons) if value >= SPAM_FROM else (), layers)


def with_reports(found: Score, reporters: int) -> Score:
    """The score where so many users reported the proven sender as spam, more than said the contrary."""
    if reporters < LEAST_REPORTERS:
        return found
    raised = found.value + (1 - found.value) * min(reporters * BY_REPORTER, MOST_BY_REPORTS)
    layers = found.layers | {"reports": round(raised - found.value, 4)}
    return Score(round(raised, 4), (_REPORTED, *found.reasons), layers)


def by_opinion(opinion: Opinion) -> float:
    """The score of a Bayes filter's opinion; above what is refused only where Fisher's test is sure, too."""
    value = round(_on(_BY_LEANING, opinion.leaning), 4)
    return value if opinion.indicator >= SURE else min(value, REFUSED_ABOVE)


def _reasons(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Those that speak against the message, the weightiest first."""
    return tuple(rule.reason for rule in sorted(rules, key=lambda rule: -rule.points) if rule.points > 0)


def _on(line: Sequence[tuple[float, float]], at: float) -> float:
    """The height of a line of straight pieces there."""
    for (left, low), (right, high) in pairwise(line):
        if at <= right:
            return low if at <= left else round(low + (high - low) * (at - left) / (right - left), 4)
    return line[-1][1]
