"""Changing the password of an account: other sessions end in the same commit, the owner's log knows right after it."""

from domain.addresses import EmailAddress
from domain.events import Who
from gateways.accounts import Account, AccountUnknownError, CredentialsInvalidError
from infra.accounts.credentials import CredentialCheck
from infra.accounts.ended_sessions import tell_ended
from infra.accounts.hashing import PasswordHashing
from infra.accounts.lookup import PostgresAccounts
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.sessions import END_OTHERS, PostgresSessions
from infra.accounts.strength import require_strong
from infra.accounts.unfinished import Unfinished

_CHANGE = (
    "UPDATE accounts SET password_hash = %s, password_version = password_version + 1, password_by = %s"
    " WHERE account_id = %s AND password_version = coalesce(%s, password_version)"
)


class PostgresPasswords:
    """The port `gateways.accounts.Passwords`, and an operator's new password for somebody."""

    def __init__(
        self,
        connect: Connect,
        accounts: PostgresAccounts,
        check: CredentialCheck,
        hashing: PasswordHashing,
        unfinished: Unfinished,
        sessions: PostgresSessions,
    ) -> None:
        self._connect = connect
        self._accounts = accounts
        self._check = check
        self._hashing = hashing
        self._unfinished = unfinished
        self._sessions = sessions

    @told_as_unavailable
    def change(self, account_id: str, *, old: str, new: str, keep_session: str, who: Who | None = None) -> None:
        """Set a new password, knowing the old one; see `Passwords.change`."""
        account = self._account(account_id)
        known = self._check.require(account.address, old, network_address=who.address if who else "")
        self._set(account, new, version=known.password_version, keep_session=keep_session, by="owner")
        self._unfinished.record_password(account_id, who=who)

    @told_as_unavailable
    def set_by_operator(self, account_id: str, new: str) -> None:
        """Set a new password without the old one, and end every session.

        Raises:
            AccountUnknownError, PasswordWeakError.
        """
        account = self._account(account_id)
        self._unfinished.open_mailbox(account_id)
        self._set(account, new, version=None, keep_session="", by="operator")
        self._unfinished.record_password(account_id, who=Who(actor="operator"))

    def _account(self, account_id: str) -> Account:
        account = self._accounts.find(account_id)
        if account is None:
            raise AccountUnknownError("there is no such account")
        return account

    def _set(self, account: Account, new: str, *, version: int | None, keep_session: str, by: str) -> None:
        require_strong(new, EmailAddress.parse(account.address))
        password_hash = self._hashing.hash(new)
        with self._connect() as connection, connection.transaction():
            if not connection.execute(_CHANGE, (password_hash, by, account.account_id, version)).rowcount:
                raise CredentialsInvalidError("the password was changed meanwhile")
            ended = connection.execute(END_OTHERS, (account.account_id, keep_session)).fetchall()
            tell_ended(connection, account.account_id)
        self._sessions.forget(ended)
