"""The check of what leaves: mail that looks like known spam stays here, and its sender reads why.

The embedded filter looks by itself, or rspamd where there is one that answers: by content alone, for of a sender who
has signed in neither address nor authentication says anything.
"""

from collections.abc import Callable
from typing import Final

from domain.automatic_mail import STREAMS
from domain.sending_record import SPAM
from gateways.delivery.validation import SentMail
from gateways.spam.learning import Installation
from gateways.spam.scoring import MOST_BY_RULES, Score, content_of, is_test, score
from gateways.spam.token_ids import TokenIds

MOST_REASONS: Final = 3
Scan = Callable[[str, bytes], Score | None]
"""A scanner elsewhere: its score of the beginning of a message from this reverse-path; None where it is down."""


class SpamCheck:
    """The check `spam`. `held_above` is the score above which mail may not leave.

    The embedded filter is quick, so it is asked first whether there is anything to say: mail that it has nothing
    against costs no row. What an owner's rule passes on is another's mail, which was judged when it came.
    """

    name: Final = SPAM
    patience_ms: Final = None

    def __init__(
        self, *, ids: TokenIds, installation: Callable[[], Installation], held_above: float, scan: Scan | None = None
    ) -> None:
        self._ids = ids
        self._installation = installation
        self._held_above = held_above
        self._scan = scan

    def applies(self, mail: SentMail) -> bool:
        """Only to what people wrote; without a scanner only where something is held against it."""
        if mail.sending.stream in STREAMS:
            return False
        return self._scan is not None or bool(self._reason(self._embedded(mail.beginning)))

    def judge(self, mail: SentMail) -> str:
        """What it looks like; see `Check.judge`."""
        told = None if self._scan is None else self._scan(mail.sending.mail_from, mail.beginning)
        return self._reason(self._embedded(mail.beginning) if told is None else told)

    def _embedded(self, sample: bytes) -> Score:
        """What an untaught filter could not hold is not read at all."""
        learnt = self._installation().learnt
        if learnt.is_enough or self._held_above < MOST_BY_RULES or is_test(sample):
            return score(content_of(sample), learnt, self._ids)
        return Score(0.0, (), {})

    def _reason(self, found: Score) -> str:
        if found.value <= self._held_above:
            return ""
        return " ".join(("it looks like spam.", *found.reasons[:MOST_REASONS])).removesuffix(".")
