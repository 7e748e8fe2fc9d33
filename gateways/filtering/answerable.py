"""Whether the sender of a message may be answered by a machine (RFC 3834 section 2, RFC 5230 section 4.6)."""

import re
from collections.abc import Iterable

from msgspec import UNSET

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.envelope import Envelope
from gateways.sieve.message import Message

MACHINES = re.compile(
    r"mailer-daemon|postmaster|listserv|majordomo|owner-.*|.*-(?:request|owner|bounces?|admin|return)|bounces?[-+=].*"
    r"|(?:no|do-?not)[-._]?reply.*|notifications?|srs[01][-+=].*|root|daemon|nobody|news|uucp"
)
"""Localparts behind which nobody reads (RFC 5230 section 4.6)."""
_LISTS = ("list-id", "list-post", "list-unsubscribe", "list-help", "list-owner", "list-archive", "mailing-list")
_BULK = frozenset({"bulk", "junk", "list"})
_ADDRESSED = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")


def sender_of(envelope: Envelope) -> EmailAddress | None:
    """Whom an answer would go to; none where there is no such address."""
    try:
        return EmailAddress.parse(envelope.reverse_path)
    except AddressInvalidError:
        return None


def may_be_answered(message: Message, envelope: Envelope) -> bool:
    """Whether it is no list, no machine, not the owner himself, no answer in its turn, and not in another's name."""
    sender = sender_of(envelope)
    if (
        sender is None
        or _is_forged(envelope)
        or sender.canonical in message.mailbox.addresses
        or MACHINES.fullmatch(sender.localpart.lower())
    ):
        return False
    submitted = message.values("auto-submitted")
    if any(value.partition(";")[0].strip().lower() != "no" for value in submitted):
        return False
    if any(message.has(name) for name in _LISTS) or message.has("x-auto-response-suppress"):
        return False
    if any(value.lower() in _BULK for value in message.values("precedence")):
        return False
    return message.parsed.structure.content_type != "multipart/report"


def _is_forged(envelope: Envelope) -> bool:
    """Whether the sender's own domain says that it is not his: an answer would go to somebody who never wrote."""
    found = envelope.screening
    return found is not UNSET and not found.override and "fail" in (found.spf, found.dmarc)


def addressed(message: Message, addresses: Iterable[str]) -> str:
    """The first of these canonical addresses that the message is addressed to; empty where it is none of them."""
    named = {name for field in _ADDRESSED for address in message.addresses(field) if (name := canonical(address))}
    return next((address for address in addresses if address in named), "")


def canonical(address: str) -> str:
    """The address as the directory knows it; empty for what is none."""
    try:
        return EmailAddress.parse(address).canonical
    except AddressInvalidError:
        return ""
