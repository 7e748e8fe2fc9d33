"""Whether a bounce is hard, so that the address is not worth another message, or soft (RFC 3463)."""

import re
from typing import Literal

_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_SOFT_DETAILS = frozenset({("2", "2"), ("3", "1"), ("4", "5"), ("4", "6"), ("4", "7")})
"""A full mailbox or disk, congestion, loops, time-outs: of the moment, whatever the class says."""


def kind_of(reply: str) -> Literal["hard", "soft"]:
    """The kind of an SMTP reply: by its enhanced status code where it has one, else by its first digit."""
    found = _ENHANCED.search(reply)
    if found is not None:
        is_soft = found[1] == "4" or (found[2], found[3]) in _SOFT_DETAILS
        return "soft" if is_soft else "hard"
    return "hard" if reply.lstrip().startswith("5") else "soft"
