"""Deleting: into TRASH, out of TRASH or SPAM for good, and what 30 days in either do."""

from domain.decisions.appending import (
    Answer,
    Appending,
    MailboxDecision,
    known_messages,
    membership_in,
    remaining_messages,
)
from domain.decisions.delivery import ARCHIVE, SPAM, TRASH
from domain.decisions.relabelling import delete_for_good, move
from domain.ids import LabelId, MessageId
from domain.refusals import LabelReservedError
from domain.rows import MessageRow, Needs, Rows

BINS = frozenset({TRASH, SPAM})
"""The labels that are emptied after 30 days, and out of which deleting is for good."""


class DeleteMessages(MailboxDecision, frozen=True, kw_only=True):
    """From anywhere into TRASH, which replaces all labels; from TRASH or SPAM for good, unless other labels hold the
    message too: then it only leaves those two."""

    ids: tuple[MessageId, ...]

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(TRASH, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`LabelsChanged` (a draft is first discarded) and `MessagesDeleted`."""
        messages = known_messages(appending.rows, self.ids)
        move(appending, [_moved(message) for message in messages if frozenset(message.labels) - BINS])
        delete_for_good(appending, [message for message in messages if frozenset(message.labels) <= BINS], "user")
        return {}


class ExpireMessages(MailboxDecision, frozen=True, kw_only=True):
    """Those of these messages that came to TRASH (or SPAM) before `before_ms` (unix milliseconds) are deleted
    for good; what other labels hold too only leaves it. Safe to repeat."""

    label_id: LabelId
    ids: tuple[MessageId, ...]
    before_ms: int

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(self.label_id, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`LabelsChanged` and `MessagesDeleted` (why: retention)."""
        if self.label_id not in BINS:
            raise LabelReservedError("only TRASH and SPAM empty themselves", label_id=self.label_id)
        due = [m for m in remaining_messages(appending.rows, self.ids) if self._is_due(appending.rows, m)]
        move(appending, [(m, (), (self.label_id,)) for m in due if len(m.labels) > 1])
        delete_for_good(appending, [m for m in due if len(m.labels) == 1], "retention")
        return {}

    def _is_due(self, rows: Rows, message: MessageRow) -> bool:
        membership = membership_in(rows, message, self.label_id)
        return membership is not None and membership.added_at < self.before_ms


def _moved(message: MessageRow) -> tuple[MessageRow, tuple[LabelId, ...], tuple[LabelId, ...]]:
    """Out of TRASH and SPAM where it is held elsewhere too, else into TRASH alone."""
    in_bins = tuple(label for label in message.labels if label in BINS)
    if in_bins:
        return message, (), in_bins
    return message, (TRASH,), tuple(message.labels)
