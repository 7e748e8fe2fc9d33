"""How full a mailbox is: what fits, which warning is due, the word for its state."""

from domain.events import QuotaWarned
from domain.quota_levels import level_passed
from domain.refusals import MailboxFullError
from domain.rows import MailboxRow

MAX_BYTES = 2**53 - 1
"""The most that a mailbox may be allowed: what every client's numbers can hold (RFC 8259 section 6)."""


def state(used_bytes: int, limit_bytes: int) -> str:
    """`ok`, `warn80`, `warn90`, `warn95`, or `read_only` once the quota is used up."""
    if used_bytes >= limit_bytes:
        return "read_only"
    reached = level_passed(used_bytes, limit_bytes)
    return f"warn{reached}" if reached else "ok"


def require_room(mailbox: MailboxRow, more_bytes: int) -> None:
    """What adds bytes must fit; what adds none always does.

    Raises:
        MailboxFullError: it does not fit.
    """
    if more_bytes > 0 and mailbox.used_bytes + more_bytes > mailbox.quota_bytes:
        raise MailboxFullError("the mailbox is full", used_bytes=mailbox.used_bytes, limit_bytes=mailbox.quota_bytes)


def warning(mailbox: MailboxRow, used_bytes: int, limit_bytes: int) -> QuotaWarned | None:
    """The warning that is due when use or quota has become this: only for the highest level, and only on the way up."""
    told = min(mailbox.quota_warned, level_passed(mailbox.used_bytes, mailbox.quota_bytes))
    reached = level_passed(used_bytes, limit_bytes)
    if reached <= told:
        return None
    return QuotaWarned(level=reached, used_bytes=used_bytes, limit_bytes=limit_bytes)
