"""What an owner has put down for mail that comes in, and the port to where it is kept."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from domain.ids import LabelId, MailboxId


class OwnerRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules and the automatic reply as the API took them (JSON, empty for none), the Sieve script, and what they
    may name: the owner's addresses (canonical, the account's own first), name, and labels by `sieve.paths.path_key`."""

    rules: bytes = b""
    vacation: bytes = b""
    script: str = ""
    addresses: tuple[str, ...] = ()
    name: str = ""
    labels: Mapping[str, LabelId] = {}

    @property
    def address(self) -> str:
        """The account's own address."""
        return self.addresses[0] if self.addresses else ""

    @property
    def digest(self) -> str:
        """Tells these rules and this script from any other."""
        return hashlib.sha256(self.rules + b"\0" + self.script.encode(errors="replace")).hexdigest()


class RuleBook(Protocol):
    """Where rules are kept."""

    def rules_of(self, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, OwnerRules]:
        """Those of these mailboxes that have any. Blocks."""
        ...
