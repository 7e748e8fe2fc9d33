"""What came back of a mailbox's mail of the last week, and when that, or unusual volume, calls for something."""

from collections.abc import Iterable, Sequence

import msgspec

from domain.rows import Tally
from domain.times import DAY_MS

RECORD_MS = 7 * DAY_MS
"""How far back submissions count."""

BOUNCES_FROM_RECIPIENTS = 100
COMPLAINTS_FROM_RECIPIENTS = 1_000
"""Below so many recipients a share says nothing."""

VOLUME_FACTOR = 10
SPAM_FROM_MESSAGES = 3
"""So many messages of a day that look like known spam are no mistake of the filter's."""

SPAM = "spam"
"""The check whose refusals are counted."""

LOOKED_AT_EVERY = 10
"""Volume is looked at with every tenth message of a day, for the look costs reading a week."""


class SendingRecord(msgspec.Struct, frozen=True):
    """Recipients of a week's submissions, and of how many of them mail bounced or brought a complaint."""

    recipients: int
    bounced: int
    complained: int

    @property
    def bounces_too_much(self) -> bool:
        """Above 1 % of at least 100 recipients."""
        return self.recipients >= BOUNCES_FROM_RECIPIENTS and self.bounced * 100 > self.recipients

    @property
    def is_complained_of(self) -> bool:
        """Above 0.1 % of at least 1,000 recipients."""
        return self.recipients >= COMPLAINTS_FROM_RECIPIENTS and self.complained * 1_000 > self.recipients


def record_of(tallies: Iterable[Tally], *, since_ms: int, now_ms: int) -> SendingRecord:
    """The sum of those queued in the week that ends now, and after `since_ms`."""
    counted = [one for one in tallies if one.queued_at > max(since_ms, now_ms - RECORD_MS)]
    return SendingRecord(
        sum(one.recipients for one in counted),
        sum(one.bounced for one in counted),
        sum(one.complained for one in counted),
    )


def is_unusual(sent_at: Sequence[int], *, now_ms: int, from_messages: int) -> bool:
    """Whether as many messages left in the day that ends now as ten usual days hold, and at least `from_messages`.

    `sent_at` is of the last week; what is usual is the mean of the six days before.
    """
    today = sum(now_ms - DAY_MS < moment for moment in sent_at)
    days_before = RECORD_MS // DAY_MS - 1
    usual = sum(now_ms - RECORD_MS < moment <= now_ms - DAY_MS for moment in sent_at) / days_before
    return today >= max(from_messages, VOLUME_FACTOR * usual)


def spam_times(before: Sequence[int], *, now_ms: int) -> list[int]:
    """When the last messages that look like spam were refused, this one among them; those of the last day."""
    return [*(at for at in before if at > now_ms - DAY_MS), now_ms][-SPAM_FROM_MESSAGES:]
