"""Complaints in the abuse reporting format (RFC 5965): somebody pressed "this is spam"."""

import re
from collections.abc import Sequence

from gateways.bounces.report import Told
from gateways.bounces.status_fields import address_in

MAX_RECIPIENTS = 100
NOT_ABOUT_ABUSE = frozenset({"auth-failure", "dmarc", "not-spam"})
"""Feedback types that are no complaint of a recipient (RFC 6591, RFC 5965 section 7.3)."""

_LINE = re.compile(r"^([A-Za-z-]{1,40})[ \t]*:[ \t]*(.*)$", re.MULTILINE)


def feedback_of(text: str) -> tuple[str, list[str], list[str]]:
    """Of a feedback-report part: its type in lower case, the recipients, and the senders of the original message."""
    fields: dict[str, list[str]] = {}
    for name, value in _LINE.findall(text.replace("\r", ""))[:1_000]:
        fields.setdefault(name.lower(), []).append(value)
    kinds = fields.get("feedback-type", ["abuse"])
    senders = [address_in(value) for value in fields.get("original-mail-from", [])]
    return kinds[0].strip().lower()[:40] or "abuse", recipients_of(fields.get("original-rcpt-to", [])), senders


def recipients_of(values: Sequence[str]) -> list[str]:
    """The addresses, each once, at most 100."""
    return list(dict.fromkeys(address_in(value) for value in values))[:MAX_RECIPIENTS]


def complained(recipients: Sequence[str], feedback_type: str) -> tuple[Told, ...]:
    """What is told of each; one without a name, where the report hides it."""
    said = f"complained: {feedback_type}"
    return tuple(Told(recipient=one, action="complained", kind="soft", diagnostic=said) for one in recipients or [""])
