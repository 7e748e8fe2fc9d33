"""Signed return paths: the reverse-path under which one recipient's copy leaves, so that a report finds its way back.

The localpart names mailbox, submission and the recipient's place in it, encrypted: outsiders learn nothing of them, and
nobody can make one up. It is a synthetic-IV construction (as RFC 5297): 80 bits of HMAC-SHA-256 over the plaintext are
both the proof and the seed of the key stream. 290 bits are 58 characters of base 32, so that it fits the 64 octets of a
localpart (RFC 5321 section 4.5.3.1.1) without a table; letters of either case read alike, for some hosts change it.

Keys are derived for periods of 30 days. A path reads in the period that it was made in and the next: 30 to 60 days.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from domain.ids import MailboxId, SubmissionId
from domain.times import DAY_MS

PREFIX = "b-"
PERIOD_MS = 30 * DAY_MS
MAX_PLACE = 1023

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_ID_DIGITS = 20
_ID_BITS = 5 * _ID_DIGITS
_PLACE_BITS = 10
_PLAIN_BITS = 2 * _ID_BITS + _PLACE_BITS
_PLAIN_BYTES = (_PLAIN_BITS + 7) // 8
_PROOF_BITS = 80
_PROOF_BYTES = _PROOF_BITS // 8
_LENGTH = (_PLAIN_BITS + _PROOF_BITS) // 5
_LOCALPART = re.compile(rf"{PREFIX}([0-9a-v]{{{_LENGTH}}})", re.ASCII | re.IGNORECASE)
_MAILBOX = re.compile(rf"m[0-9a-v]{{{_ID_DIGITS}}}", re.ASCII)
_SUBMISSION = re.compile(rf"s[0-9a-v]{{{_ID_DIGITS}}}", re.ASCII)


class Returned(NamedTuple):
    """Whose copy of what: the sender's mailbox, the submission, and the recipient's place in it, from 0."""

    mailbox_id: MailboxId
    submission_id: SubmissionId
    place: int


class ReturnPaths:
    """Makes return paths at `domain`, and reads those made under the same secret, or one of the `former` ones."""

    def __init__(
        self, secret: bytes, domain: str, *, former: Sequence[bytes] = (), clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._secrets = (secret, *former)
        self._domain = domain
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def make(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str:
        """The address, the same one for as long as a period lasts.

        Raises: ValueError: the ids are none that were given out here, or the place is above `MAX_PLACE`.
        """
        if not (_MAILBOX.fullmatch(mailbox_id) and _SUBMISSION.fullmatch(submission_id) and 0 <= place <= MAX_PLACE):
            raise ValueError(f"no return path for {mailbox_id!r}, {submission_id!r}, {place}")
        plain = (int(mailbox_id[1:], 32) << _ID_BITS | int(submission_id[1:], 32)) << _PLACE_BITS | place
        keys = _keys(self._secrets[0], self._clock_ms() // PERIOD_MS)
        proof = keys.proof(plain)
        sealed = int.from_bytes(proof) << _PLAIN_BITS | plain ^ keys.stream(proof)
        return f"{PREFIX}{_digits(sealed, _LENGTH)}@{self._domain}"

    def read(self, localpart: str, *, at_ms: int | None = None) -> Returned | None:
        """What a localpart names; None for one that was not made here, or too long before `at_ms` (by default now)."""
        match = _LOCALPART.fullmatch(localpart)
        if match is None:
            return None
        sealed = int(match[1], 32)
        proof = (sealed >> _PLAIN_BITS).to_bytes(_PROOF_BYTES)
        hidden = sealed & (1 << _PLAIN_BITS) - 1
        period = (self._clock_ms() if at_ms is None else at_ms) // PERIOD_MS
        # The next one too: the clock of whoever made it may be ahead at the turn of a period.
        for keys in (_keys(secret, period + step) for secret in self._secrets for step in (0, -1, 1)):
            plain = hidden ^ keys.stream(proof)
            if hmac.compare_digest(keys.proof(plain), proof):
                return _returned(plain)
        return None


class _Keys(NamedTuple):
    proving: bytes
    hiding: bytes

    def proof(self, plain: int) -> bytes:
        return hmac.digest(self.proving, plain.to_bytes(_PLAIN_BYTES), "sha256")[:_PROOF_BYTES]

    def stream(self, proof: bytes) -> int:
        octets = hmac.digest(self.hiding, proof, "sha256")
        return int.from_bytes(octets) >> 8 * hashlib.sha256().digest_size - _PLAIN_BITS


def _keys(secret: bytes, period: int) -> _Keys:
    return _Keys(*(hmac.digest(secret, f"return path {use} {period}".encode(), "sha256") for use in ("proof", "hide")))


def _returned(plain: int) -> Returned:
    mask = (1 << _ID_BITS) - 1
    ids = plain >> _PLACE_BITS
    return Returned(
        MailboxId("m" + _digits(ids >> _ID_BITS, _ID_DIGITS)),
        SubmissionId("s" + _digits(ids & mask, _ID_DIGITS)),
        plain & MAX_PLACE,
    )


def _digits(number: int, count: int) -> str:
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(count)))
