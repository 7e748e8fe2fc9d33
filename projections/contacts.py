"""With whom does the owner correspond? What each event adds, and how suggestions are ranked."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from domain import events as e
from domain.automatic_mail import STREAMS
from domain.ids import MailboxId
from domain.times import DAY_MS

MAX_SUGGESTIONS = 50
SENT_WEIGHT = 5
HALF_LIFE_MS = 90 * DAY_MS


class Correspondent(msgspec.Struct):
    """An address (lower case) with the last name seen with it; how often written to and heard from, last when."""

    address: str
    name: str = ""
    sent: int = 0
    received: int = 0
    last_at: int = 0


class Suggestions(Protocol):
    """The port for autocompletion."""

    def find(self, mailbox_id: MailboxId, q: str, *, limit: int = MAX_SUGGESTIONS) -> list[Correspondent]:
        """Correspondents whose address or name has a word that begins with `q`, most recent and frequent first."""


def correspondents(recorded: Iterable[e.RecordedEvent]) -> dict[str, Correspondent]:
    """What these events add, by address: counts to be added, the last name and time to be kept."""
    found: dict[str, Correspondent] = {}
    for event in recorded:
        match event.event:
            case e.MessageDelivered(personal=e.MessagePersonal() as personal, source="inbound" | "append"):
                for one in personal.from_:
                    _add(found, one.address, one.name, at=event.recorded_at, received=1)
            case e.SubmissionQueued(personal=e.SubmissionPersonal() as personal, stream=stream) if (
                stream not in STREAMS
            ):
                for recipient in personal.recipients:
                    _add(found, recipient.address, "", at=event.recorded_at, sent=1)
            case e.MessageDelivered(personal=e.MessagePersonal() as personal, source="sent"):
                for one in (*personal.to, *personal.cc):
                    _add(found, one.address, one.name, at=event.recorded_at)
            case _:
                pass
    return found


def _add(
    found: dict[str, Correspondent], address: str, name: str, *, at: int, sent: int = 0, received: int = 0
) -> None:
    key = address.lower()
    if "@" not in key or len(key) > 254:
        return
    one = found.setdefault(key, Correspondent(key))
    one.name = name or one.name
    one.sent += sent
    one.received += received
    one.last_at = max(one.last_at, at)


def score(one: Correspondent, now_ms: int) -> float:
    """Frequency that fades: halved every 90 days since the last time."""
    age = max(now_ms - one.last_at, 0) / HALF_LIFE_MS
    return float((one.sent * SENT_WEIGHT + one.received + 1) * 0.5**age)
