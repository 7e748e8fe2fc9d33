"""What a conversation asks of the one who holds its socket."""

from dataclasses import dataclass

from domain.addresses import EmailAddress
from gateways.authentication.evidence import Evidence
from gateways.envelope import Envelope
from gateways.reception import Verdict
from gateways.screening import Arrival, Screening
from gateways.smtp.standing import Standing


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets to the other side."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection once everything is written."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Resume with None when the other side has read most of what was sent."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin the handshake (RFC 3207), then call `secured`."""


@dataclass(frozen=True, slots=True)
class Consult:
    """Resume with the standing of the client's address."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Resume with the greylist's verdict on this triplet."""

    triplet: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Resume with None after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Screen:
    """Resume with what those who look at the message find; with anything else it is accepted as if nobody had."""

    arrival: Arrival
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Judge:
    """Resume with the verdict on this recipient."""

    recipient: EmailAddress
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Write:
    """Append this to the spool of the message, then resume with None."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Accept:
    """Append the last of the content, make the message durable, then resume with None."""

    envelope: Envelope
    data: bytes


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget what was spooled, then resume with None."""


Blocking = Judge | Write | Accept | Discard
"""Calls of the reception; what they raise is handed to `resume` in place of a result."""
Waiting = Drain | StartTls | Consult | Remember | Pause | Screen | Blocking
"""What `resume` answers."""
Action = Send | Close | Waiting
Outcome = Verdict | Standing | Screening | BaseException | None
