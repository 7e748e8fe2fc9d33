"""From an address to its mailbox, and the mailbox of the operator, which postmaster and abuse lead to."""

from collections.abc import Collection, Mapping

from domain.addresses import BARE_POSTMASTER, EmailAddress
from domain.addresses import AddressInvalidError as NoAddressError
from domain.ids import MailboxId
from gateways.accounts import AddressTakenError
from gateways.directory import OPEN, SUSPENDED, DirectoryEntry
from infra.accounts.outages import Connect
from infra.accounts.registration import PostgresRegistration
from infra.accounts.unfinished import Unfinished
from infra.operator_errors import OperatorError
from infra.settings import PREFIX, Settings

ROLES = ("postmaster", "abuse")
"""RFC 5321 section 4.5.1 and RFC 2142 section 4 ask for these at every domain."""

_FIND = (
    "SELECT address, mailbox_id, account_id, state FROM directory WHERE address = ANY(%(addresses)s)"
    " UNION ALL SELECT a.address, d.mailbox_id, d.account_id, d.state FROM aliases a"
    " JOIN directory d USING (mailbox_id) WHERE a.address = ANY(%(addresses)s)"
)
_OPERATORS = "UPDATE directory SET kind = 'operator' WHERE address = %s AND kind <> 'operator'"
_ENTRY = "SELECT account_id FROM directory WHERE address = %s"

_Row = tuple[str, str, str]
"""Mailbox, account and state."""


class PostgresDirectory:
    """The port `gateways.directory.Directory`. Outages are raised as psycopg raises them."""

    def __init__(
        self, connect: Connect, unfinished: Unfinished, *, domains: frozenset[str], operator: EmailAddress
    ) -> None:
        self._connect = connect
        self._unfinished = unfinished
        self._operator = operator.canonical
        self._roles = frozenset(f"{role}@{domain}" for role in ROLES for domain in domains) | {str(BARE_POSTMASTER)}

    def find(self, address: str) -> DirectoryEntry | None:
        """Where a canonical address leads; see `Directory.find`. An interrupted opening is finished first."""
        return self.find_all([address]).get(address)

    def find_all(self, addresses: Collection[str]) -> dict[str, DirectoryEntry]:
        """Where canonical addresses lead, asked for at once; see `Directory.find_all`."""
        wanted = {address: self._candidates(address) for address in addresses}
        if not wanted:
            return {}
        asked = sorted({candidate for candidates in wanted.values() for candidate in candidates})
        with self._connect() as connection:
            rows = {row[0]: row[1:] for row in connection.execute(_FIND, {"addresses": asked})}
        found = {address: self._chosen(address, candidates, rows) for address, candidates in wanted.items()}
        return {address: self._entry(*row) for address, row in found.items() if row is not None}

    def _candidates(self, address: str) -> tuple[str, ...]:
        """Whom the address may be: an account or an alias of its own name, then the operator for his roles, and for
        others whoever takes all that is left of the domain."""
        if address in self._roles:
            return (address, self._operator)
        return (address, f"@{address.rpartition('@')[2]}")

    def _chosen(self, address: str, candidates: tuple[str, ...], rows: Mapping[str, _Row]) -> _Row | None:
        """The first of them that is there. A closed account is nobody, and nobody else ever gets its mail; but a role
        always leads to somebody."""
        present = [rows[candidate] for candidate in candidates if candidate in rows]
        if address in self._roles:
            present = [row for row in present if row[2] != "closed"]
        return present[0] if present and present[0][2] != "closed" else None

    def _entry(self, mailbox_id: str, account_id: str, state: str) -> DirectoryEntry:
        if state == "opening":
            self._unfinished.open_mailbox(account_id)
        return DirectoryEntry(MailboxId(mailbox_id), SUSPENDED if state == "suspended" else OPEN)


def operator_address(settings: Settings) -> EmailAddress:
    """The operator's own address: `LEDGERMAIL_POSTMASTER`, or postmaster of the first domain.

    Raises:
        OperatorError: the setting is no address.
    """
    try:
        return EmailAddress.parse(settings.postmaster or f"postmaster@{settings.domains[0]}")
    except NoAddressError as error:
        raise OperatorError(f"{PREFIX}POSTMASTER: {error}") from error


def ensure_operator(
    connect: Connect, registration: PostgresRegistration, unfinished: Unfinished, *, operator: EmailAddress
) -> None:
    """The operator's account is there, its mailbox open.

    A new one has no password: nobody gets in until `ledgermail account passwd` sets one. Safe to
    repeat and to race.
    """
    with connect() as connection:
        row = connection.execute(_ENTRY, (operator.canonical,)).fetchone()
    if row is None:
        try:
            registration.create(str(operator), None, display_name="Postmaster", kind="operator")
        except AddressTakenError:  # by another process that starts too
            return
        return
    with connect() as connection:
        connection.execute(_OPERATORS, (operator.canonical,))
    unfinished.open_mailbox(row[0])
