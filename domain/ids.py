"""Identifiers: a lower-case letter that tells the kind, 9 characters of time, 11 of chance; never reused."""

import secrets
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
_TIME_DIGITS, _CHANCE_DIGITS = 9, 11


def _base32(number: int, digits: int) -> str:
    return "".join(_DIGITS[(number >> shift) & 31] for shift in range(5 * (digits - 1), -1, -5))


def new_id(prefix: str, now_ms: int | None = None) -> str:
    """A new id of 21 characters, ordered by time to the millisecond; 55 bits of chance within one."""
    millis = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return prefix + _base32(millis, _TIME_DIGITS) + _base32(secrets.randbits(55), _CHANCE_DIGITS)
