"""The port to who wants no more bulk mail of a sender, as the senders' logs have it."""

from collections.abc import Collection
from typing import Protocol

from domain.ids import MailboxId


class Unsubscribes(Protocol):
    """By mailbox of the sender and canonical address. Every method raises the outages of its server."""

    def among(self, mailbox_id: MailboxId, addresses: Collection[str]) -> Collection[str]:
        """Those of these addresses that want no more."""
        ...
