"""The beginning and the end of a mailbox, and its return from a backup."""

from domain.commands import Context, Decided, MailboxCommand
from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.events import SYSTEM_LABELS, MailboxErased, MailboxOpened, MailboxRestored
from domain.ids import LabelId
from domain.refusals import MailboxErasedError
from domain.rows import Needs, Rows


class OpenMailbox(MailboxCommand, frozen=True, kw_only=True):
    """Opens a mailbox with its six system labels. An open mailbox stays as it is, so that any later visit may finish an
    interrupted registration."""

    address: str
    display_name: str
    quota_bytes: int

    def needs(self) -> Needs:
        """The mailbox row alone."""
        return Needs()

    def decide(self, rows: Rows, context: Context) -> Decided:
        """The first event, or nothing.

        Raises:
            MailboxErasedError: what was erased stays so.
        """
        if rows.mailbox.erased:
            raise MailboxErasedError("the mailbox was erased")
        if rows.mailbox.head > 0:
            return Decided()
        appending = Appending(rows, context)
        validity = {LabelId(name): appending.give_uid_validity() for name in SYSTEM_LABELS}
        appending.add(
            MailboxOpened(
                address=self.address,
                display_name=self.display_name,
                uid_validity=validity,
                quota_bytes=self.quota_bytes,
            )
        )
        return appending.decided({})


class RestoreMailbox(MailboxDecision, frozen=True, kw_only=True):
    """The mailbox came back from a backup: every label gets a UIDVALIDITY that it never had."""

    def needs(self) -> Needs:
        """Every label."""
        return Needs(all_labels=True)

    def gather(self, appending: Appending) -> Answer:
        """`MailboxRestored` with every live label."""
        labels = sorted(row.label_id for row in appending.rows.all_labels())
        appending.add(MailboxRestored(uid_validity={i: appending.give_uid_validity() for i in labels}))
        return {}


class EraseMailbox(MailboxDecision, frozen=True, kw_only=True):
    """The end of the stream; `why` is for the auditor."""

    why: str

    def gather(self, appending: Appending) -> Answer:
        """`MailboxErased`, after which every command is refused."""
        appending.add(MailboxErased(why=self.why))
        return {}
