"""What keeps a mailbox from sending as it would, and why: out of its log, for an operator."""

from collections.abc import Iterator

import msgspec

from domain.events import RecordedEvent, SenderFlagged, SendingAllowed, SendingRestricted, SignedIn, SignInDemanded
from domain.ids import MailboxId
from infra.store.reading import StreamReader


class Restriction(msgspec.Struct, frozen=True):
    """One that stands: `halved`, `blocked`, `flagged` or `waits for a new sign-in`; since unix milliseconds."""

    what: str
    why: str
    since: int


def standing(reader: StreamReader, mailbox_id: MailboxId) -> list[Restriction]:
    """Those that stand at the head of the mailbox's log, the oldest first."""
    found: dict[str, Restriction] = {}
    for recorded in reader.recorded(mailbox_id):
        match recorded.event:
            case SendingAllowed():
                found.clear()
            case SignedIn(protocol="http"):
                found.pop(_SIGN_IN, None)
            case SendingRestricted():
                found = {what: one for what, one in found.items() if what not in _RATES}
        for what, why in _imposed(recorded):
            found.setdefault(what, Restriction(what, why, recorded.recorded_at))
    return list(found.values())


def _imposed(recorded: RecordedEvent) -> Iterator[tuple[str, str]]:
    match recorded.event:
        case SendingRestricted(why=why, blocked=blocked):
            yield ("blocked" if blocked else "halved"), why
        case SenderFlagged(why=why):
            yield "flagged", why
        case SignInDemanded(why=why):
            yield _SIGN_IN, why


_SIGN_IN = "waits for a new sign-in"
_RATES = ("halved", "blocked")
