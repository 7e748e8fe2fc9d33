"""The spam filter beside those who ask whether a message is from whom it says: the port `Screener`, around another."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from gateways.authentication.evidence import Evidence
from gateways.screening import QUARANTINE, REJECT, Arrival, Screener, Screening
from gateways.spam.learning import Installation
from gateways.spam.scoring import REFUSED_ABOVE, SPAM_FROM, Score, content_of, score, with_reports
from gateways.spam.senders import sender_of
from gateways.spam.token_ids import TokenIds

INLINE_BYTES = 32 * 1024
"""What is read at once, in about a millisecond; of more the event loop does not wait for the reading."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a message is spam, and above what it is refused."""

    spam: float = SPAM_FROM
    refused: float = REFUSED_ABOVE

    def disposition(self, value: float) -> str:
        """What a score asks for."""
        if value > self.refused:
            return REJECT
        return QUARANTINE if value >= self.spam else ""


class SpamFilter:
    """The port `gateways.screening.Screener`: the embedded filter, beside `others` where there are any.

    `installation` gives what the installation was taught, at once: it is asked on the event loop.
    """

    def __init__(
        self,
        others: Screener | None,
        *,
        ids: TokenIds,
        installation: Callable[[], Installation],
        thresholds: Thresholds | None = None,
    ) -> None:
        self._others = others
        self._ids = ids
        self._installation = installation
        self._thresholds = thresholds or Thresholds()

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        """What the others found, and the score of the message's words, taken while they wait for their answers."""
        asked = None if self._others is None else asyncio.create_task(self._others.screen(arrival, evidence))
        try:
            found = await self._score(bytes(evidence.sample))
            screening = Screening() if asked is None else await asked
        finally:
            if asked is not None:
                asked.cancel()
        sender = sender_of(screening, evidence.header, self._ids)
        found = with_reports(found, self._installation().reports.get(sender, 0))
        return msgspec.structs.replace(
            screening,
            spam_score=found.value,
            spam_reasons=found.reasons,
            spam_layers=found.layers,
            spam_disposition=self._thresholds.disposition(found.value),
        )

    async def _score(self, sample: bytes) -> Score:
        if len(sample) <= INLINE_BYTES:
            return self._scored(sample)
        return await asyncio.to_thread(self._scored, sample)

    def _scored(self, sample: bytes) -> Score:
        return score(content_of(sample), self._installation().learnt, self._ids)
