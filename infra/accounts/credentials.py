"""The one check of an address and its password: throttled, and the same work whether anybody has the address or not."""

import msgspec
from psycopg.rows import class_row

from domain.ids import MailboxId
from gateways.accounts import Account, AccountState, AccountSuspendedError, CredentialsInvalidError, Role
from infra.accounts.hashing import PasswordHashing
from infra.accounts.outages import Connect
from infra.accounts.said import canonical
from infra.accounts.throttle import SignInThrottle

_BY_ADDRESS = (
    "SELECT account_id, mailbox_id, address, state, created_at, role, canonical, password_hash, password_version,"
    " EXISTS (SELECT FROM second_factors f WHERE f.account_id = a.account_id AND f.state = 'on') AS has_second_factor"
    " FROM accounts a WHERE canonical = %s"
)
_REHASH = "UPDATE accounts SET password_hash = %s WHERE account_id = %s AND password_hash = %s"


class Credentials(msgspec.Struct, frozen=True):
    """An account's row as far as signing in goes."""

    account_id: str
    mailbox_id: MailboxId
    address: str
    state: AccountState
    created_at: int
    role: Role
    canonical: str
    password_hash: str | None = None
    password_version: int = 1
    has_second_factor: bool = False

    @property
    def account(self) -> Account:
        """The account, without its secrets."""
        return Account(self.account_id, self.mailbox_id, self.address, self.state, self.created_at, self.role)


class CredentialCheck:
    """Looks an address up and verifies its password."""

    def __init__(self, connect: Connect, hashing: PasswordHashing, throttle: SignInThrottle) -> None:
        self._connect = connect
        self._hashing = hashing
        self._throttle = throttle

    def require(self, address: str, password: str, *, network_address: str) -> Credentials:
        """Whose address and password these are. That a second factor is asked for, too, is for the caller to see to.

        Raises:
            CredentialsInvalidError, AccountSuspendedError (only to who knows the password), SignInThrottledError.
        """
        name = canonical(address)
        with self._throttle.attempt(name or address, network_address):
            known = None if name is None else self.find(name)
            right = self._hashing.verify(None if known is None else known.password_hash, password)
            if known is None or not right or known.state == "closed":
                raise CredentialsInvalidError("address and password do not belong together")
        if known.state == "suspended":
            raise AccountSuspendedError("the account is suspended")
        self._keep_current(known, password)
        return known

    def find(self, name: str) -> Credentials | None:
        """The account of a canonical address."""
        with self._connect() as connection, connection.cursor(row_factory=class_row(Credentials)) as cursor:
            return cursor.execute(_BY_ADDRESS, (name,)).fetchone()

    def _keep_current(self, known: Credentials, password: str) -> None:
        if known.password_hash is not None and self._hashing.is_outdated(known.password_hash):
            renewed = self._hashing.hash(password)
            with self._connect() as connection:
                connection.execute(_REHASH, (renewed, known.account_id, known.password_hash))
