"""Further addresses of accounts, as operators set them down: `info@…`, or `@domain` for all that nobody else has."""

import time
from collections.abc import Callable

import msgspec
from psycopg.rows import class_row

from domain.addresses import AddressInvalidError, EmailAddress, parse_domain
from gateways.accounts import Account
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.registration import LOCK_ADDRESS
from infra.operator_errors import OperatorError

MAX_PER_ACCOUNT = 1_000
_TAKEN = (
    "SELECT address FROM accounts WHERE canonical = %(address)s UNION ALL SELECT account_id FROM directory"
    " WHERE address = %(address)s UNION ALL"
    " SELECT c.address FROM aliases a JOIN accounts c USING (account_id) WHERE a.address = %(address)s"
)
_COUNT = "SELECT count(*) FROM aliases WHERE account_id = %s"
_ADD = "INSERT INTO aliases (address, mailbox_id, account_id, made_at) VALUES (%s, %s, %s, %s)"
_REMOVE = "DELETE FROM aliases WHERE address = %s"
_LIST = "SELECT a.address AS alias, c.address FROM aliases a JOIN accounts c USING (account_id) ORDER BY 2, 1"


class AliasError(OperatorError):
    """The alias cannot be so; one line says why."""


class Alias(msgspec.Struct, frozen=True):
    """An address, or `@domain`, and whose mail it is."""

    alias: str
    address: str


class Aliases:
    """The table of aliases. Each act is durable on return."""

    def __init__(self, connect: Connect, *, domains: frozenset[str], clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._domains = domains
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    @told_as_unavailable
    def add(self, text: str, account: Account) -> str:
        """From now on mail for `text` is the account's; the alias as it is kept. What is so already stays.

        Raises: AliasError: it is no address of ours, somebody has it, or the account has too many.
        """
        name = self._name(text)
        with self._connect() as connection, connection.transaction():
            connection.execute(LOCK_ADDRESS, (name,))
            holder = connection.execute(_TAKEN, {"address": name}).fetchone()
            if holder is not None and holder[0] != account.address:
                raise AliasError(f"{name} is taken: its mail goes to {holder[0]}")
            count = connection.execute(_COUNT, (account.account_id,)).fetchone()
            if count is not None and count[0] >= MAX_PER_ACCOUNT:
                raise AliasError(f"an account has at most {MAX_PER_ACCOUNT} aliases")
            if holder is None:
                connection.execute(_ADD, (name, account.mailbox_id, account.account_id, self._clock_ms()))
        return name

    @told_as_unavailable
    def remove(self, text: str) -> str:
        """Mail for it is no longer taken.

        Raises: AliasError: there is no such alias.
        """
        name = self._name(text)
        with self._connect() as connection, connection.transaction():
            if not connection.execute(_REMOVE, (name,)).rowcount:
                raise AliasError(f"there is no alias {name}")
        return name

    @told_as_unavailable
    def all(self) -> list[Alias]:
        """Every alias, by the account's address."""
        with self._connect() as connection, connection.cursor(row_factory=class_row(Alias)) as cursor:
            return cursor.execute(_LIST).fetchall()

    def _name(self, text: str) -> str:
        """The canonical address, or `@` and the domain."""
        try:
            if text.startswith("@"):
                name, domain = f"@{parse_domain(text[1:])}", parse_domain(text[1:])
            else:
                address = EmailAddress.parse(text.strip())
                name, domain = address.canonical, address.domain
                if address.tag is not None:
                    raise AliasError("what follows a + is a tag of the address before it, which needs no alias")
        except AddressInvalidError as error:
            raise AliasError(f"{text[:100]!r} is no address: {error}") from error
        if domain not in self._domains:
            raise AliasError(f"{domain} is not one of LEDGERMAIL_DOMAINS")
        return name
