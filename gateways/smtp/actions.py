"""What a conversation asks of the one who holds its socket."""

from dataclasses import dataclass

from domain.addresses import EmailAddress
from gateways.accounts import Principal
from gateways.authentication.evidence import Evidence
from gateways.envelope import Envelope
from gateways.reception import Verdict
from gateways.sasl import Claim
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
    """Resume with what those who look at the message find; with anything else it is accepted as if nobody had.

    `rest` is what of the content is not in the spool yet. `evidence` is missing where nobody wants it.
    """

    arrival: Arrival
    evidence: Evidence | None
    sha256: str
    size_bytes: int
    rest: bytes = b""


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


@dataclass(frozen=True, slots=True)
class SignIn:
    """Resume with whom the claim speaks for; `helo` is what the client calls itself."""

    claim: Claim
    address: str
    helo: str


@dataclass(frozen=True, slots=True)
class Own:
    """Resume with whether mail to this address reaches the one who signed in."""

    principal: Principal
    address: EmailAddress


@dataclass(frozen=True, slots=True)
class Submit:
    """Append the last of the content, hand the message over for sending, then resume with None.

    It leaves at `send_at_ms` (unix milliseconds).
    """

    principal: Principal
    envelope: Envelope
    send_at_ms: int
    data: bytes


Blocking = Judge | Write | Accept | Discard | SignIn | Own | Submit
"""Calls of the reception or the submission; what they raise is handed to `resume` in place of a result."""
Waiting = Drain | StartTls | Consult | Remember | Pause | Screen | Blocking
"""What `resume` answers."""
Action = Send | Close | Waiting
Outcome = Verdict | Standing | Screening | Principal | bool | BaseException | None
