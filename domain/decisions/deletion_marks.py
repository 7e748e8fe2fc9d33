"""IMAP's \\Deleted: it belongs to a membership, is invisible outside IMAP, and EXPUNGE takes only that label away."""

from domain.decisions.appending import Answer, Appending, MailboxDecision, membership_in, remaining_messages
from domain.decisions.deleting import BINS
from domain.decisions.delivery import ARCHIVE, TRASH
from domain.decisions.relabelling import delete_for_good, move
from domain.events import DeletionMarked, DeletionUnmarked
from domain.ids import LabelId, MessageId
from domain.rows import MembershipRow, MessageRow, Needs


class _InLabel(MailboxDecision, frozen=True, kw_only=True):
    """What concerns those of the messages that are (still) in the label; others are passed over."""

    label_id: LabelId
    ids: tuple[MessageId, ...]

    def needs(self) -> Needs:
        """The label and the messages."""
        return Needs(messages=self.ids, labels=(self.label_id,))

    def held(self, appending: Appending) -> list[tuple[MessageRow, MembershipRow]]:
        """The messages in the label with their memberships there."""
        appending.label(self.label_id)
        found = remaining_messages(appending.rows, self.ids)
        pairs = [(message, membership_in(appending.rows, message, self.label_id)) for message in found]
        return [(message, membership) for message, membership in pairs if membership is not None]


class MarkDeletion(_InLabel, frozen=True, kw_only=True):
    """STORE +FLAGS (\\Deleted)."""

    def gather(self, appending: Appending) -> Answer:
        """`DeletionMarked` for those not yet marked."""
        ids = tuple(message.message_id for message, row in self.held(appending) if not row.deletion_mark)
        if ids:
            appending.add(DeletionMarked(label_id=self.label_id, message_ids=ids))
        return {}


class UnmarkDeletion(_InLabel, frozen=True, kw_only=True):
    """STORE -FLAGS (\\Deleted)."""

    def gather(self, appending: Appending) -> Answer:
        """`DeletionUnmarked` for those that are marked."""
        ids = tuple(message.message_id for message, row in self.held(appending) if row.deletion_mark)
        if ids:
            appending.add(DeletionUnmarked(label_id=self.label_id, message_ids=ids))
        return {}


class Expunge(_InLabel, frozen=True, kw_only=True):
    """EXPUNGE of those that are marked: they leave this label. One that no other label holds goes to TRASH, and out of
    TRASH or SPAM for good."""

    def needs(self) -> Needs:
        """The messages with their threads."""
        return Needs(messages=self.ids, siblings=True, labels=(self.label_id, TRASH, ARCHIVE))

    def gather(self, appending: Appending) -> Answer:
        """`LabelsChanged` and `MessagesDeleted`."""
        marked = [message for message, row in self.held(appending) if row.deletion_mark]
        gone = [message for message in marked if len(message.labels) == 1 and self.label_id in BINS]
        left = [message for message in marked if len(message.labels) > 1 or self.label_id not in BINS]
        move(appending, [(m, (TRASH,) if len(m.labels) == 1 else (), (self.label_id,)) for m in left])
        delete_for_good(appending, gone, "user")
        return {}
