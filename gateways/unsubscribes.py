"""The port to who wants no more bulk mail of a sender."""

from collections.abc import Collection
from typing import Protocol

from domain.ids import MailboxId


class Unsubscribes(Protocol):
    """By mailbox of the sender and canonical address. Every method raises the outages of its server."""

    def add(self, mailbox_id: MailboxId, address: str) -> None:
        """This address wants no more; durable on return. Safe to repeat; of a mailbox that is gone nothing is kept."""
        ...

    def among(self, mailbox_id: MailboxId, addresses: Collection[str]) -> Collection[str]:
        """Those of these addresses that want no more."""
        ...
