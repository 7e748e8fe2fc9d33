"""A mailbox that fills up tells: by an event, and by a notice to its owner that stands or falls with the event."""

from domain import quota
from domain.commands import TellOwner
from domain.decisions.appending import Appending


def warn(appending: Appending, *, used_bytes: int, limit_bytes: int) -> None:
    """`QuotaWarned`, and its owner told, where use or quota has become this and that passes a level."""
    due = quota.warning(appending.rows.mailbox, used_bytes, limit_bytes)
    if due is not None:
        appending.add(due)
        appending.do(TellOwner("quota", due.level, due.used_bytes, due.limit_bytes))


def warn_of_more(appending: Appending, more_bytes: int) -> None:
    """`warn` where the mailbox holds that many bytes more."""
    mailbox = appending.rows.mailbox
    warn(appending, used_bytes=mailbox.used_bytes + more_bytes, limit_bytes=mailbox.quota_bytes)
