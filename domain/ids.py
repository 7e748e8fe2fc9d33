"""Identifiers: a lower-case letter that tells the kind, 9 characters of time, 11 of chance; never reused."""

import os
import time
from collections.abc import Callable
from typing import NewType

MailboxId = NewType("MailboxId", str)
MessageId = NewType("MessageId", str)
ThreadId = NewType("ThreadId", str)
LabelId = NewType("LabelId", str)
DraftId = NewType("DraftId", str)
SubmissionId = NewType("SubmissionId", str)

IdMaker = Callable[[str], str]
"""Given a prefix, a new id: handed to decisions so that they stay pure."""

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
"""Ten bits each: an id is put together from pairs, at a tenth of the cost of single digits."""


def _ten_digits(number: int) -> str:
    """The last 50 bits in base 32."""
    return (
        _PAIRS[number >> 40 & 1023]
        + _PAIRS[number >> 30 & 1023]
        + _PAIRS[number >> 20 & 1023]
        + _PAIRS[number >> 10 & 1023]
        + _PAIRS[number & 1023]
    )


def new_id(prefix: str, now_ms: int | None = None) -> str:
    """A new id of 21 characters, ordered by time to the millisecond; 55 bits of chance within one."""
    millis = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    chance = int.from_bytes(os.urandom(7)) & (1 << 55) - 1
    # Nine characters of time and the highest of chance, then the other ten of chance.
    return prefix + _ten_digits(millis << 5 | chance >> 50) + _ten_digits(chance)
