"""Where each recipient of a record leads: into a mailbox here, to nobody, or to another host."""

from collections.abc import Iterable

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


class Elsewhere(msgspec.Struct, frozen=True):
    """An address of another host."""

    domain: str


class Routes:
    """Where the due recipients of a batch lead: every forward-path is read once, all are asked for at once."""

    def __init__(self, batch: Iterable[Leased], directory: Directory, domains: frozenset[str]) -> None:
        paths = {leased.recipient(index).forward_path for leased in batch for index in leased.recipients}
        self._destinations = {path: destination(path, domains) for path in paths}
        self._found = directory.find_all({name for name in self._destinations.values() if isinstance(name, str)})

    def of(self, leased: Leased) -> Routed:
        """Where the due recipients of one record lead; what is no address leads to nobody."""
        routed = Routed({}, [], [])
        for index in leased.recipients:
            name = self._destinations[leased.recipient(index).forward_path]
            if isinstance(name, Elsewhere):
                routed.elsewhere.append(index)
            elif name is None or (entry := self._found.get(name)) is None:
                routed.gone.append(index)
            else:
                routed.mailboxes.setdefault(entry.mailbox_id, []).append(index)
        return routed


def destination(path: str, domains: frozenset[str]) -> str | Elsewhere | None:
    """The canonical address here that a forward-path names, the host elsewhere, or nobody."""
    if "@" not in path:
        return path.lower()
    try:
        address = EmailAddress.parse(path)
    except AddressInvalidError:
        return None
    return address.canonical if address.domain in domains else Elsewhere(address.domain)
