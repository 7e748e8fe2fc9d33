"""Where each recipient of a record leads: into a mailbox here, back to a submission, to nobody, or to another host."""

from collections.abc import Iterable

import msgspec

from domain.addresses import AddressInvalidError, EmailAddress
from domain.ids import MailboxId
from gateways.bounces.return_path import Returned, ReturnPaths
from gateways.directory import Directory
from gateways.queue import Leased


class Routed(msgspec.Struct, frozen=True):
    """The due recipients of a record (indices), by where they lead. Alias and `+tag` of one mailbox stand together.

    `returned` are return paths, and the address that complaints go to, of which nothing is known yet. `operator` is the
    mailbox for what comes back and nobody can make out.
    """

    mailboxes: dict[MailboxId, list[int]]
    gone: list[int]
    elsewhere: list[int]
    returned: dict[int, Returned | None] = {}
    operator: MailboxId | None = None


class Elsewhere(msgspec.Struct, frozen=True):
    """An address of another host."""

    domain: str


class ReturnAddresses(msgspec.Struct, frozen=True):
    """What brings reports back: signed return paths, and an address that complaints are sent to, where there is one."""

    return_paths: ReturnPaths | None = None
    complaints: str | None = None
    """The canonical address."""

    def read(self, path: str, domains: frozenset[str], *, at_ms: int) -> Returned | None:
        """What a forward-path brings back, read as of when it arrived; None for any other."""
        localpart, _at, domain = path.rpartition("@")
        if self.return_paths is None or domain.lower() not in domains:
            return None
        return self.return_paths.read(localpart, at_ms=at_ms)


NOTHING_RETURNS = ReturnAddresses()
POSTMASTER = "postmaster"


class Routes:
    """Where the due recipients of a batch lead: every forward-path is read once, all are asked for at once."""

    def __init__(
        self,
        batch: Iterable[Leased],
        directory: Directory,
        domains: frozenset[str],
        returns: ReturnAddresses = NOTHING_RETURNS,
    ) -> None:
        paths = {leased.recipient(index).forward_path for leased in batch for index in leased.recipients}
        self._domains = domains
        self._returns = returns
        self._destinations = {path: destination(path, domains) for path in paths}
        names = {name for name in self._destinations.values() if isinstance(name, str)}
        self._found = directory.find_all(names if returns is NOTHING_RETURNS else names | {POSTMASTER})

    def of(self, leased: Leased) -> Routed:
        """Where the due recipients of one record lead; what is no address leads to nobody."""
        operator = self._found.get(POSTMASTER)
        routed = Routed({}, [], [], {}, None if operator is None else operator.mailbox_id)
        for index in leased.recipients:
            path = leased.recipient(index).forward_path
            name = self._destinations[path]
            returned = self._returns.read(path, self._domains, at_ms=leased.record.envelope.received_at)
            if returned is not None or (name is not None and name == self._returns.complaints):
                routed.returned[index] = returned
            elif isinstance(name, Elsewhere):
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
