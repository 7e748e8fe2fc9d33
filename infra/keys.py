"""The key store's port: one data key a mailbox, kept apart from the database, with tombstones for those destroyed.

Destroying a mailbox's key is what erases a person: the chain of events still verifies, their content is gone.
"""

from dataclasses import dataclass, field
from typing import Protocol


class KeyDestroyedError(Exception):
    """The mailbox's key was destroyed; no other will ever be made for it."""


class KeyBrokenError(Exception):
    """A stored key cannot be opened: damaged, or wrapped by another master key. Never to be taken for redaction."""


class KeyMissingError(Exception):
    """There is neither a key nor a tombstone: never made, or lost. Never to be taken for redaction."""

    def __init__(self, mailbox_id: str) -> None:
        super().__init__(f"the key of mailbox {mailbox_id} is not in the key store: is its folder where it was?")


class MasterKeyError(Exception):
    """The key store cannot be used as it lies there; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class MailboxKey:
    """A mailbox's data key: its id, written with every event, and 32 secret bytes."""

    key_id: str
    secret: bytes = field(repr=False)


class Keys(Protocol):
    """The key store. Calls come from many threads and processes at once and block."""

    def create(self, mailbox_id: str) -> MailboxKey:
        """The mailbox's key, made where there is none: durable on return, the same one however often it is asked.

        Raises: KeyDestroyedError, KeyBrokenError, ValueError for what is no mailbox id.
        """
        ...

    def get(self, mailbox_id: str) -> MailboxKey | None:
        """The mailbox's key; None when it was destroyed, and a tombstone says so. Cheap: called for every event.

        A key destroyed by any process is gone from every other one's next call.

        Raises: KeyMissingError, KeyBrokenError, ValueError for what is no mailbox id.
        """
        ...

    def destroy(self, mailbox_id: str) -> None:
        """Leave a durable tombstone, then destroy the key. Safe to repeat, finishes what a crash interrupted."""
        ...
