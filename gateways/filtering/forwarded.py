"""The copy that is forwarded: what arrived, byte for byte, below the fields that say so.

Its reverse-path is of ours, so that SPF holds and bounces find their way (`gateways.srs`); what was found when it came
is sealed (ARC). A message that has been here, or on too many hosts, goes no further.
"""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from domain.addresses import AddressInvalidError, EmailAddress
from domain.automatic_mail import FORWARD
from gateways.authentication.dkim_keys import ACTIVE, RSA, DkimKey, DkimKeys
from gateways.authentication.sealing import arc_set
from gateways.envelope import Envelope
from gateways.filtering.answerable import canonical
from gateways.filtering.outgoing import Outgoing
from gateways.filtering.owner_rules import OwnerRules
from gateways.mime.trace import count_received, delivered_to, trace_block
from gateways.srs import Srs

MAX_RECEIVED = 30
"""Half of what makes a loop at our door: whoever forwards to us in turn still gets an answer."""


class Forwarding(msgspec.Struct, frozen=True):
    """What forwarding needs: whose name bounces come back to, the keys that seal, the domains that are ours."""

    srs: Srs
    keys: DkimKeys | None = None
    domains: frozenset[str] = frozenset()


def is_loop(whole: bytes, rules: OwnerRules) -> bool:
    """Whether the message has been in this mailbox before, or on so many hosts that it goes round."""
    been = {canonical(address) for address in delivered_to(whole)}
    return bool(been.intersection(rules.addresses)) or count_received(whole) > MAX_RECEIVED


def forwarded(
    addresses: Iterable[str],
    whole: bytes,
    *,
    envelope: Envelope,
    path: str,
    forwarding: Forwarding,
    key: DkimKey | None,
    added: bytes,
    tells_sender: bool,
) -> list[Outgoing]:
    """The copy for each address, the same bytes for all of them.

    `path` is the forward-path by which the message came to the owner, `key` what seals it, `added` what his script put
    before it. `tells_sender`: nobody here reads it, so its sender is told where it cannot be delivered.
    """
    raw = _trace(envelope, path) + added + whole
    sealed = raw if key is None else _seal(raw, envelope, key) + raw
    mail_from = _reverse_path(envelope, forwarding)
    return [
        Outgoing(stream=FORWARD, mail_from=mail_from, to=to, raw=sealed, tells_sender=tells_sender) for to in addresses
    ]


def sealing_key(rules: OwnerRules, forwarding: Forwarding) -> DkimKey | None:
    """What seals the owner's copies: the active key of his domain, RSA as every host knows. Blocks."""
    domain = rules.address.rpartition("@")[2]
    keys = forwarding.keys.of(domain) if forwarding.keys is not None and domain in forwarding.domains else ()
    return next((key for key in keys if key.state == ACTIVE and key.algorithm == RSA), None)


def _reverse_path(envelope: Envelope, forwarding: Forwarding) -> str:
    """The sender's own, where it is ours, for then SPF holds already; the null one stays."""
    try:
        sender = EmailAddress.parse(envelope.reverse_path)
    except AddressInvalidError:
        return ""
    return envelope.reverse_path if sender.domain in forwarding.domains else forwarding.srs.forward(str(sender))


def _trace(envelope: Envelope, path: str) -> bytes:
    """Delivered-To and Received; no Return-Path, which only the last host writes (RFC 5321 section 4.4)."""
    block = trace_block(
        return_path="",
        delivered_to=path,
        helo=envelope.helo,
        client=envelope.peer,
        hostname=envelope.hostname,
        protocol=envelope.protocol,
        acceptance_id=envelope.acceptance_id,
        received_at_ms=envelope.received_at,
        tls=envelope.tls,
    )
    return block.partition(b"\r\n")[2]


def _seal(raw: bytes, envelope: Envelope, key: DkimKey) -> bytes:
    screening = envelope.screening
    return arc_set(
        raw,
        key,
        hostname=envelope.hostname,
        chain="none" if screening is UNSET else screening.arc or "none",
        results=() if screening is UNSET else screening.results,
        signed_at_s=envelope.received_at // 1000,
    )
