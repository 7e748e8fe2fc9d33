"""Somebody wants no more bulk mail of this mailbox (RFC 8058)."""

from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.events import RecipientUnsubscribed
from domain.rows import Needs
from domain.suppression import UNSUBSCRIBED


class RecordUnsubscription(MailboxDecision, frozen=True, kw_only=True):
    """The recipient of a bulk mail said so, by the link in it. `address` is canonical."""

    address: str

    def needs(self) -> Needs:
        """What was said before."""
        return Needs(documents=((UNSUBSCRIBED, self.address),))

    def gather(self, appending: Appending) -> Answer:
        """`RecipientUnsubscribed`, once."""
        if appending.rows.document(UNSUBSCRIBED, self.address) is None:
            appending.add(RecipientUnsubscribed(address=self.address))
        return {}
