"""What an owner's rules came to, as a delivery takes it, and the port to those who run them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from domain.automatic_mail import AutomaticMail
from domain.ids import MailboxId
from gateways.delivery.opened import OpenedMail
from gateways.delivery.placing import Placement, placement
from gateways.filtering.owner_rules import OwnerRules
from gateways.queue import QueueRecord

NOTHING_NOTED = msgspec.Raw(b"null")


class Filtered(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of one mailbox came to: labels and keywords, paths of labels to make, fields to put before the
    message, the note, and what is sent."""

    placement: Placement = Placement()
    new_labels: tuple[str, ...] = ()
    added: bytes = b""
    noted: msgspec.Raw = NOTHING_NOTED
    automatic: tuple[AutomaticMail, ...] = ()


class Filtering(Protocol):
    """Runs owners' rules; `gateways.filtering.filters.Filters` does."""

    def rules_of(self, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, OwnerRules]:
        """The rules of those of these mailboxes that have any."""
        ...

    def filtered(
        self,
        record: QueueRecord,
        mail: OpenedMail,
        *,
        mailbox_id: MailboxId,
        recipients: Sequence[int],
        rules: OwnerRules | None,
        own: bool | None = None,
    ) -> Filtered:
        """What they come to for the recipients (indices) of a record that lead to one mailbox; `own` is what the
        owner's own filter says of spam, if anything."""
        ...


class Unfiltered:
    """A `Filtering` where nobody has rules."""

    def rules_of(self, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, OwnerRules]:
        """None."""
        return {}

    def filtered(
        self,
        record: QueueRecord,
        mail: OpenedMail,
        *,
        mailbox_id: MailboxId,
        recipients: Sequence[int],
        rules: OwnerRules | None,
        own: bool | None = None,
    ) -> Filtered:
        """Where the screening says, or the owner's own filter."""
        return Filtered(placement=placement(record.envelope.screening, own))
