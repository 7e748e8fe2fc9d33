"""Snoozing: out of INBOX until a time, then back at its top."""

from domain import keywords
from domain.decisions.appending import Answer, Appending, MailboxDecision, known_messages, remaining_messages
from domain.decisions.deleting import BINS
from domain.decisions.delivery import ARCHIVE, INBOX
from domain.decisions.relabelling import end_snooze, relabel
from domain.events import MessagesSnoozed
from domain.ids import MessageId
from domain.refusals import SnoozeInvalidError
from domain.rows import MessageRow, Needs
from domain.times import DAY_MS, rfc3339

MAX_SNOOZE_MS = 5 * 366 * DAY_MS


class Snooze(MailboxDecision, frozen=True, kw_only=True):
    """Away until `until_ms` (unix milliseconds), at most five years. Drafts and what is in TRASH or SPAM cannot be."""

    ids: tuple[MessageId, ...]
    until_ms: int

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(INBOX, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`MessagesSnoozed`, and `LabelsChanged` for those in INBOX."""
        if not 0 < self.until_ms - appending.context.now_ms <= MAX_SNOOZE_MS:
            raise SnoozeInvalidError("a snooze ends in the future, within five years")
        messages = known_messages(appending.rows, self.ids)
        if stuck := [str(message.message_id) for message in messages if not _may_return(message)]:
            raise SnoozeInvalidError("drafts and what is in TRASH or SPAM cannot be snoozed", ids=stuck)
        fresh = [message for message in messages if message.snoozed_until != self.until_ms]
        if fresh:
            ids = tuple(message.message_id for message in fresh)
            appending.add(MessagesSnoozed(message_ids=ids, until=rfc3339(self.until_ms)))
        relabel(appending, [(message, (), (INBOX,)) for message in fresh])
        return {}


class EndSnooze(MailboxDecision, frozen=True, kw_only=True):
    """Those of these messages whose time had come at `at_ms` (unix milliseconds; the clock's, if that is earlier) are
    back: listed from then, in INBOX and no longer in ARCHIVE. Safe to repeat."""

    ids: tuple[MessageId, ...]
    at_ms: int

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(INBOX, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`SnoozeEnded`, and `LabelsChanged` for those that are not in TRASH or SPAM."""
        at = min(self.at_ms, appending.context.now_ms)
        messages = remaining_messages(appending.rows, self.ids)
        due = [m for m in messages if m.snoozed_until is not None and m.snoozed_until <= at]
        end_snooze(appending, due, listed_at=rfc3339(at))
        relabel(appending, [(m, (INBOX,), (ARCHIVE,)) for m in due if not BINS & set(m.labels)])
        return {}


def _may_return(message: MessageRow) -> bool:
    return not BINS & set(message.labels) and keywords.DRAFT not in message.keywords
