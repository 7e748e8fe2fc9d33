"""What the events about room and sending do, and what used bytes mean for the warning that still stands."""

from domain.events import QuotaSet, QuotaWarned, SendingRestricted
from domain.mailbox_state.mailbox import Mailbox, When

WARNING_LEVELS = (80, 90, 95)
"""Per cent of the quota."""


def level_passed(used_bytes: int, limit_bytes: int) -> int:
    """The highest warning level that this use reaches, 0 for none."""
    return max((level for level in WARNING_LEVELS if used_bytes * 100 >= level * limit_bytes), default=0)


def use_bytes(mailbox: Mailbox, size: int) -> None:
    """Add to the used bytes (or free them); a warning no longer true is taken back."""
    mailbox.used_bytes += size
    if mailbox.quota_warned:
        mailbox.quota_warned = min(mailbox.quota_warned, level_passed(mailbox.used_bytes, mailbox.quota_bytes))


def quota_set(mailbox: Mailbox, event: QuotaSet, when: When) -> None:
    """The limit alone; what was warned of is judged at the next change of use."""
    mailbox.quota_bytes = event.limit_bytes


def quota_warned(mailbox: Mailbox, event: QuotaWarned, when: When) -> None:
    """The owner knows of this level."""
    mailbox.quota_warned = event.level


def sending_restricted(mailbox: Mailbox, event: SendingRestricted, when: When) -> None:
    """Blocked or halved: the newest word holds."""
    mailbox.sending_blocked = event.blocked
    mailbox.sending_halved = not event.blocked
