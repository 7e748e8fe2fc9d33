"""The port to suppression lists: which addresses a mailbox does not write to."""

from collections.abc import Collection
from typing import Protocol

from domain.ids import MailboxId

SUPPRESSED = (
    "550 5.7.1 nothing was sent: mail to this address came back or was complained of; it is on your suppression list"
)
"""What the sender is told of such a recipient."""


class Suppressions(Protocol):
    """Suppression lists. Calls come from many threads at once and block."""

    def is_suppressed(self, mailbox_id: MailboxId, addresses: Collection[str]) -> frozenset[str]:
        """Those of the addresses, as they are spelled, to which nothing may be sent from this mailbox."""
        ...
