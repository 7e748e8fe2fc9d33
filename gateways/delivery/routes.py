"""Where each recipient of a record leads: into a mailbox here, to nobody, or to another host."""

import msgspec

from domain.addresses import AddressInvalidError, EmailAddress
from domain.ids import MailboxId
from gateways.directory import Directory
from gateways.queue import Leased


class Routed(msgspec.Struct, frozen=True):
    """The due recipients of a record (indices), by where they lead. Alias and `+tag` of one mailbox stand together."""

    mailboxes: dict[MailboxId, list[int]]
    gone: list[int]
    elsewhere: list[int]


class RememberedDirectory:
    """Asks the directory once for each address; made anew for every batch."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._found: dict[str, MailboxId | None] = {}

    def find(self, address: str) -> MailboxId | None:
        """The mailbox of a canonical address."""
        if address not in self._found:
            entry = self._directory.find(address)
            self._found[address] = entry.mailbox_id if entry is not None else None
        return self._found[address]


def route(leased: Leased, directory: RememberedDirectory, domains: frozenset[str]) -> Routed:
    """Where the due recipients lead; what is no address leads to nobody."""
    routed = Routed({}, [], [])
    for index in leased.recipients:
        found = route_address(leased.recipient(index).forward_path, directory, domains)
        if isinstance(found, Elsewhere):
            routed.elsewhere.append(index)
        elif found is None:
            routed.gone.append(index)
        else:
            routed.mailboxes.setdefault(found, []).append(index)
    return routed


class Elsewhere(msgspec.Struct, frozen=True):
    """An address of another host."""

    domain: str


def route_address(path: str, directory: RememberedDirectory, domains: frozenset[str]) -> MailboxId | Elsewhere | None:
    """The mailbox of a forward-path, the host elsewhere that it names, or nobody."""
    if "@" not in path:
        return directory.find(path.lower())
    try:
        address = EmailAddress.parse(path)
    except AddressInvalidError:
        return None
    return directory.find(address.canonical) if address.domain in domains else Elsewhere(address.domain)
