"""Codes of a second factor that follow the time (RFC 6238): HMAC-SHA-1, six digits, one every 30 seconds."""

import hmac
import struct

PERIOD_S = 30
DIGITS = 6
SECRET_OCTETS = 20
"""As long as the hash is (RFC 4226 section 4, R6)."""
STEPS_EITHER_WAY = 1
"""A clock may be a step behind or ahead (RFC 6238 section 5.2)."""


def step_at(now_ms: int) -> int:
    """The number of the period that this moment lies in."""
    return now_ms // 1000 // PERIOD_S


def code_of(secret: bytes, step: int) -> str:
    """The code of one period (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 0xF
    (number,) = struct.unpack_from(">I", digest, offset)
    return str((number & 0x7FFF_FFFF) % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: bytes, code: str, *, now_ms: int, after: int) -> int | None:
    """The period whose code this is, of those around now and later than `after`; None where it is none of them.

    Whoever keeps the step as the next `after` accepts no code twice (RFC 6238 section 5.2).
    """
    now, found = step_at(now_ms), None
    for step in range(max(now - STEPS_EITHER_WAY, 0), now + STEPS_EITHER_WAY + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode(errors="replace")) and step > after:
            found = step
    return found
