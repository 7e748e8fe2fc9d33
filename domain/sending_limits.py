"""How much a mailbox may send: messages in sliding windows of a minute and a day, halved or blocked where need be."""

from collections.abc import Sequence

import msgspec

from domain.refusals import RateLimitedError, SendingBlockedError
from domain.rows import MailboxRow
from domain.times import DAY_MS

MINUTE_MS = 60_000


class SendingLimits(msgspec.Struct, frozen=True):
    """Messages in any minute and in any day."""

    per_minute: int = 25
    per_day: int = 500

    def of(self, mailbox: MailboxRow) -> "SendingLimits":
        """The limits as they stand for this mailbox: halved, but never below one, where its sending is halved."""
        if not mailbox.sending_halved:
            return self
        return SendingLimits(max(1, self.per_minute // 2), max(1, self.per_day // 2))


def require_allowed(
    mailbox: MailboxRow, sent: Sequence[tuple[int, int]], *, now_ms: int, limits: SendingLimits
) -> None:
    """One more message may be sent now. `sent` holds (queued_at, recipients) of those of the last day.

    Raises:
        SendingBlockedError: nothing may be sent at all.
        RateLimitedError: a window is full; it says when it no longer is.
    """
    if mailbox.sending_blocked:
        raise SendingBlockedError("sending from this mailbox is blocked")
    theirs = limits.of(mailbox)
    # A clock that was ahead and put right leaves submissions in the future: they count for no window.
    moments = sorted(queued_at for queued_at, _ in sent if queued_at <= now_ms + MINUTE_MS)
    free_at = max(
        _free_at(moments, theirs.per_minute, window_ms=MINUTE_MS, now_ms=now_ms),
        _free_at(moments, theirs.per_day, window_ms=DAY_MS, now_ms=now_ms),
    )
    if free_at > now_ms:
        raise RateLimitedError(-(-(free_at - now_ms) // 1000))


def _free_at(moments: Sequence[int], limit: int, *, window_ms: int, now_ms: int) -> int:
    """When the window that ends then holds less than `limit` messages; `now_ms` if it does now."""
    within = [moment for moment in moments if moment > now_ms - window_ms]
    if len(within) < limit:
        return now_ms
    return (within[-limit] if limit > 0 else now_ms) + window_ms
