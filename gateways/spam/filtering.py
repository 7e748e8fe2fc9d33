"""The spam filter beside those who ask whether a message is from whom it says: the port `Screener`, around another."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gateways.authentication.evidence import Evidence
from gateways.screening import QUARANTINE, REJECT, Arrival, Screener, Screening
from gateways.spam.learning import Installation
from gateways.spam.scoring import REFUSED_ABOVE, SPAM_FROM, Score, content_of, score, with_reports
from gateways.spam.senders import sender_of
from gateways.spam.token_ids import TokenIds

FILTER = "spam filter"
INLINE_BYTES = 32 * 1024
"""What is read at once, in about a millisecond; of more the event loop does not wait for the reading."""

_log = logging.getLogger(__name__)


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


class Scanner(Protocol):
    """The port to a scanner elsewhere. Called on the event loop: it never blocks."""

    @property
    def name(self) -> str:
        """What it is called where it could not look."""
        ...

    async def scan(self, arrival: Arrival, sample: bytes) -> Score | None:
        """Its score of a message's beginning, within 10 s or so; None where it is down."""
        ...


class SpamFilter:
    """The port `gateways.screening.Screener`: the embedded filter, beside `others` where there are any.

    `scanner` looks in its place, where there is one and it is not down. `installation` gives what the installation was
    taught, at once: it is asked on the event loop.
    """

    def __init__(
        self,
        others: Screener | None,
        *,
        ids: TokenIds,
        installation: Callable[[], Installation],
        thresholds: Thresholds | None = None,
        scanner: Scanner | None = None,
    ) -> None:
        self._others = others
        self._ids = ids
        self._installation = installation
        self._thresholds = thresholds or Thresholds()
        self._scanner = scanner

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        """What the others found, and the score of the message's words, taken while they wait for their answers."""
        asked = None if self._others is None else asyncio.create_task(self._others.screen(arrival, evidence))
        try:
            found, unscreened = await self._found(arrival, bytes(evidence.sample))
            screening = Screening() if asked is None else await asked
        finally:
            if asked is not None:
                asked.cancel()
        if found is None:
            return msgspec.structs.replace(screening, unscreened=(*screening.unscreened, *unscreened))
        sender = sender_of(screening, evidence.header, self._ids)
        found = with_reports(found, self._installation().reports.get(sender, 0))
        return msgspec.structs.replace(
            screening,
            spam_score=found.value,
            spam_reasons=found.reasons,
            spam_layers=found.layers,
            spam_disposition=self._thresholds.disposition(found.value),
            unscreened=(*screening.unscreened, *unscreened),
        )

    async def _found(self, arrival: Arrival, sample: bytes) -> tuple[Score | None, tuple[str, ...]]:
        """The score, and who could not look; whatever fails here, what the others found still counts."""
        try:
            if self._scanner is None:
                return await self._score(sample), ()
            told = await self._scanner.scan(arrival, sample)
            return (await self._score(sample), (self._scanner.name,)) if told is None else (told, ())
        except Exception:  # noqa: BLE001 - told of; the mail is taken as if nobody had looked for spam
            _log.exception("the spam filter failed")
            return None, (FILTER,)

    async def _score(self, sample: bytes) -> Score:
        if len(sample) <= INLINE_BYTES:
            return self._scored(sample)
        return await asyncio.to_thread(self._scored, sample)

    def _scored(self, sample: bytes) -> Score:
        return score(content_of(sample), self._installation().learnt, self._ids)
