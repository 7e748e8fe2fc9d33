"""Opening accounts. The directory's row decides who gets an address; all that follows can be finished by anybody."""

import time
import unicodedata
from collections.abc import Callable

from domain.addresses import AddressInvalidError as NoAddressError
from domain.addresses import EmailAddress
from domain.events import Who
from domain.ids import MailboxId, new_id
from gateways.accounts import (
    Account,
    AddressInvalidError,
    AddressTakenError,
    DisplayNameInvalidError,
    DomainNotServedError,
    RegistrationClosedError,
)
from infra.accounts.hashing import PasswordHashing
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.strength import require_strong
from infra.accounts.unfinished import Unfinished

MAX_NAME_CHARS = 500

_KNOWN = (
    "SELECT 1 FROM directory WHERE address = %(address)s UNION ALL SELECT 1 FROM aliases WHERE address = %(address)s"
)
_IS_ALIAS = "SELECT 1 FROM aliases WHERE address = %s"
LOCK_ADDRESS = "SELECT pg_advisory_xact_lock(hashtextextended('address ' || %s, 0))"
"""Held by whoever gives an address away, as an account's own or as an alias: so nobody else has it."""
_CLAIM = (
    "INSERT INTO directory (address, mailbox_id, account_id, kind) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (address) DO NOTHING"
)
_MAILBOX = "INSERT INTO mailboxes (mailbox_id) VALUES (%s)"
_ACCOUNT = (
    "INSERT INTO accounts (account_id, mailbox_id, address, canonical, created_at, opening_name, opening_quota,"
    " password_hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)


class PostgresRegistration:
    """The port `gateways.accounts.Registration`, and what an operator may open beyond it."""

    def __init__(
        self,
        connect: Connect,
        hashing: PasswordHashing,
        unfinished: Unfinished,
        *,
        domains: frozenset[str],
        is_open: bool,
        quota_bytes: int,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._hashing = hashing
        self._unfinished = unfinished
        self._domains = domains
        self._is_open = is_open
        self._quota_bytes = quota_bytes
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def register(self, address: str, password: str, *, display_name: str = "", who: Who | None = None) -> Account:
        """A new account; see `Registration.register`."""
        if not self._is_open:
            raise RegistrationClosedError("accounts are opened by the operator here")
        parsed = self._parsed(address)
        if parsed.is_reserved:
            raise AddressTakenError("the address belongs to the operator")
        return self._opened(parsed, password, display_name=display_name, kind="account", who=who)

    def create(self, address: str, password: str | None, *, display_name: str = "", kind: str = "account") -> Account:
        """A new account by an operator: reserved names too, and while registration is closed.

        Without a password nobody can sign in until the operator sets one.

        Raises:
            AddressInvalidError, DomainNotServedError, AddressTakenError, DisplayNameInvalidError, PasswordWeakError.
        """
        who = Who(actor="operator")
        return self._opened(self._parsed(address), password, display_name=display_name, kind=kind, who=who)

    @told_as_unavailable
    def _opened(
        self, address: EmailAddress, password: str | None, *, display_name: str, kind: str, who: Who | None
    ) -> Account:
        _require_name(display_name)
        if password is not None:
            require_strong(password, address)
        self._refuse_taken(address)
        password_hash = None if password is None else self._hashing.hash(password)
        account = Account(new_id("u"), MailboxId(new_id("m")), str(address), "open", self._clock_ms())
        self._claim(account, address.canonical, kind=kind, password_hash=password_hash, display_name=display_name)
        self._unfinished.open_mailbox(account.account_id, who=who)
        return account

    def _parsed(self, address: str) -> EmailAddress:
        try:
            parsed = EmailAddress.parse(address.strip())
        except NoAddressError as error:
            raise AddressInvalidError(str(error)) from error
        if parsed.domain not in self._domains:
            raise DomainNotServedError("mail for this domain is not served here")
        if parsed.tag is not None:
            raise AddressInvalidError("what follows a + is a tag of the address before it")
        if str(parsed).startswith('"'):  # RFC 5321 section 4.1.2: a host should avoid mailboxes that need quotes
            raise AddressInvalidError("a new address needs no quotes")
        return parsed

    def _refuse_taken(self, address: EmailAddress) -> None:
        with self._connect() as connection:
            if connection.execute(_KNOWN, {"address": address.canonical}).fetchone():
                raise AddressTakenError("somebody has this address")

    def _claim(
        self, account: Account, canonical: str, *, kind: str, password_hash: str | None, display_name: str
    ) -> None:
        account_id, mailbox_id = account.account_id, account.mailbox_id
        with self._connect() as connection, connection.transaction():
            connection.execute(LOCK_ADDRESS, (canonical,))
            if connection.execute(_IS_ALIAS, (canonical,)).fetchone():
                raise AddressTakenError("somebody has this address")
            if not connection.execute(_CLAIM, (canonical, mailbox_id, account_id, kind)).rowcount:
                raise AddressTakenError("somebody has this address")
            connection.execute(_MAILBOX, (mailbox_id,))
            begun = (display_name, self._quota_bytes, password_hash)
            connection.execute(
                _ACCOUNT, (account_id, mailbox_id, account.address, canonical, account.created_at, *begun)
            )


def _require_name(name: str) -> None:
    if len(name) > MAX_NAME_CHARS or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        raise DisplayNameInvalidError(f"a display name is one line of at most {MAX_NAME_CHARS} characters")
