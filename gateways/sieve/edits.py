"""What a script does to the header (RFC 5293): later tests see it, and what it added stands in front of the message.

The stored message stays as it arrived, byte for byte: a field that a script deletes is gone for the rest of the script
only. Fields that tell where a message has been cannot be changed by anybody (section 6), nor who wrote it to whom, what
it answers and how it is to be read: a copy that is forwarded would say it in another's name.
"""

import re

from gateways.sieve import nodes as n
from gateways.sieve.check_tests import FIELD_NAME
from gateways.sieve.comparing import Budget, holds
from gateways.sieve.message import Message
from gateways.sieve.outcome import MAX_ADDED_FIELDS, RuleError

MAX_VALUE_CHARS = 2_000
_PROTECTED = re.compile(
    r"received.*|auto-submitted|delivered-to|return-path|authentication-results|arc-.*|dkim-signature|resent-.*"
    r"|from|sender|reply-to|to|cc|bcc|date|message-id|in-reply-to|references|mime-version|content-.*|list-.*"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


def add_header(message: Message, name: str, value: str, *, last: bool) -> None:
    """One more field, at the beginning or the end; nothing for one that cannot be changed.

    Raises: RuleError: no name of a field, or too many of them.
    """
    lower = _name(name)
    if _PROTECTED.fullmatch(lower):
        return
    if len(added_fields(message)) >= MAX_ADDED_FIELDS:
        raise RuleError(f"a script adds at most {MAX_ADDED_FIELDS} fields")
    field = (lower, _CONTROLS.sub(" ", value).strip()[:MAX_VALUE_CHARS])
    message.change([*message.fields, field] if last else [field, *message.fields])


def delete_header(
    message: Message, action: n.DeleteHeader, *, name: str, keys: tuple[str, ...], budget: Budget
) -> None:
    """The fields that `action` means are gone.

    Raises: RuleError: no name of a field. TooMuchError
    """
    lower = _name(name)
    if _PROTECTED.fullmatch(lower):
        return
    budget.spend(len(message.fields))
    places = [place for place, (field, _) in enumerate(message.fields) if field == lower]
    if action.index:
        counted = places[::-1] if action.last else places
        places = counted[action.index - 1 : action.index]
    if keys:
        places = [
            p for p in places if holds(action.match, [message.text_of(message.fields[p][1])], keys, budget) is not None
        ]
    gone = frozenset(places)
    message.change([field for place, field in enumerate(message.fields) if place not in gone])


def added_fields(message: Message) -> list[tuple[str, str]]:
    """What scripts added and did not delete again."""
    return [(name, value) for name, value in message.fields if isinstance(value, str)]


def _name(name: str) -> str:
    if not FIELD_NAME.fullmatch(name):
        raise RuleError(f"{name[:80]!r} is no name of a header field")
    return name.lower()
