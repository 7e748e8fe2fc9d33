"""What is found about a message while its sender is still there, and the port to those who look.

It travels with the envelope from reception to delivery and is kept in the server's part of the event that delivers.
"""

from typing import Protocol

import msgspec

from gateways.authentication.evidence import Evidence

REJECT, QUARANTINE = "reject", "quarantine"
REFUSE, HOLD, WAIT = "refuse", "hold", "wait"


class Signer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One DKIM signature, as an aggregate report names it (RFC 9990 section 3.1.1.11)."""

    domain: str
    selector: str
    result: str


class Screening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found. `spf`, `dkim`, `dmarc` and `arc` are the words of RFC 8601, empty where nobody looked."""

    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    arc: str = ""
    results: tuple[str, ...] = ()
    """The parts of Authentication-Results behind our own name (RFC 8601 section 2.2)."""
    author_domain: str = ""
    spf_domain: str = ""
    signers: tuple[Signer, ...] = ()
    policy_domain: str = ""
    policy: str = ""
    """What the author's domain asks for, where the message is not proven to be its: none, quarantine or reject."""
    disposition: str = ""
    """What is done: `reject`, `quarantine`, or nothing."""
    proofs: tuple[str, ...] = ()
    """By which methods, dkim and spf, the message is proven to come from its author's domain."""
    override: str = ""
    """Why less is done than the domain asks for (RFC 9990 section 3.1.1.14): trusted_forwarder, mailing_list."""

    virus: str = ""
    """clean, infected, unscreened where no scanner could look; empty where none was asked."""
    threat: str = ""
    """What was found, as the scanner calls it."""
    virus_action: str = ""
    """What is done about it: `refuse`, `hold` for an operator, `wait` for the scanner, or nothing."""
    spam_score: float | None = None
    """Of the words and the sender's record, from 0 to 1; null where no filter looked."""
    spam_reasons: tuple[str, ...] = ()
    """Why, as sentences for the reader."""
    spam_layers: dict[str, float] = {}
    """What each layer said by itself, by its name."""
    spam_disposition: str = ""
    """What the score asks for: `reject`, `quarantine`, or nothing."""
    unscreened: tuple[str, ...] = ()
    """Who should have looked and could not."""

    @property
    def is_refused(self) -> bool:
        """Whether the message is refused while its sender is still there."""
        return REJECT in (self.disposition, self.spam_disposition) or self.virus_action == REFUSE

    @property
    def is_spam(self) -> bool:
        """Whether the message goes into SPAM."""
        return QUARANTINE in (self.disposition, self.spam_disposition)


class Arrival(msgspec.Struct, frozen=True):
    """Who brought a message: address, EHLO and reverse-path of the other side, and our own name."""

    peer: str
    helo: str
    reverse_path: str
    hostname: str


class Screener(Protocol):
    """Those who look. Called on the event loop of the connections: it never blocks."""

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        """What they found, within 30 s; that somebody could not be asked is a result and never an error."""
        ...
