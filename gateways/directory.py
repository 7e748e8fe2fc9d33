"""The port to the directory: which mailbox an address leads to."""

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from domain.ids import MailboxId

OPEN = "open"
"""The state of an entry whose mailbox takes mail."""
SUSPENDED = "suspended"
"""The state of an entry whose mailbox takes no mail at present: 550 5.2.1."""


class DirectoryEntry(msgspec.Struct, frozen=True):
    """Where an address leads, and whether mail is taken there."""

    mailbox_id: MailboxId
    state: str = OPEN


class Directory(Protocol):
    """Looks addresses up. Calls come from many threads at once and block."""

    def find(self, address: str) -> DirectoryEntry | None:
        """The entry of a canonical address (`EmailAddress.canonical`); None where nobody is.

        The postmaster and abuse of every served domain, and `postmaster` alone, lead to the operator's mailbox
        (RFC 5321 section 4.5.1, RFC 2142 section 4). An opening that was interrupted is finished first.
        """
        ...

    def find_all(self, addresses: Collection[str]) -> Mapping[str, DirectoryEntry]:
        """`find` for many at once; those where nobody is are left out."""
        ...
