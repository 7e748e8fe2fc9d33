"""What only an operator may do to an account: suspend, resume, close, erase, set its quota, let it send."""

from domain.decisions import AllowSending, EraseMailbox, RestrictSending, SetQuota
from domain.events import Who
from domain.ids import new_id
from gateways.accounts import Account
from gateways.appending import Appender
from infra.accounts.ended_sessions import tell_ended
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.unfinished import Unfinished
from infra.keys import Keys
from infra.operator_errors import OperatorError

MAX_WHY_CHARS = 500
_OPERATOR = Who(actor="operator", client="command line")
_STATE = "UPDATE {} SET state = %s WHERE account_id = %s"
_IN_ACCOUNTS, _IN_DIRECTORY = _STATE.format("accounts"), _STATE.format("directory")
_END_SESSIONS = "DELETE FROM sessions WHERE account_id = %s"
_FORGET_APP_PASSWORDS = "DELETE FROM app_passwords WHERE account_id = %s"
_FORGET_SECOND_FACTOR = "DELETE FROM second_factors WHERE account_id = %s"
_FORGET_RECOVERY_CODES = "DELETE FROM recovery_codes WHERE account_id = %s"
_CLEAR_HASH = "UPDATE accounts SET password_hash = NULL WHERE account_id = %s"
_ERASED = "SELECT erased FROM mailboxes WHERE mailbox_id = %s"
_KIND = "SELECT kind FROM directory WHERE account_id = %s"


class AccountActionError(OperatorError):
    """The account is in no state for that; one line says why."""


class Administration:
    """An operator's acts on accounts. Each may be repeated."""

    def __init__(self, connect: Connect, keys: Keys, appender: Appender, unfinished: Unfinished) -> None:
        self._connect = connect
        self._keys = keys
        self._appender = appender
        self._unfinished = unfinished

    @told_as_unavailable
    def suspend(self, account: Account) -> None:
        """Nobody signs in and mail is refused (550 5.2.1) until it is resumed; sessions end, nothing else is lost."""
        self._refuse_operators_own(account)
        if account.state == "closed":
            raise AccountActionError(f"{account.address} is closed")
        self._shut(account, "suspended")

    @told_as_unavailable
    def resume(self, account: Account) -> None:
        """A suspended or closed account is open again.

        Raises:
            AccountActionError: it was erased.
        """
        if account.state == "opening":
            self._unfinished.open_mailbox(account.account_id)
            return
        if self._is_erased(account):
            raise AccountActionError(f"{account.address} was erased: nothing brings it back")
        self._put_state(account, "open")

    @told_as_unavailable
    def close(self, account: Account) -> None:
        """Neither owner nor mail gets in; nothing is destroyed, and nobody else ever gets the address."""
        self._refuse_operators_own(account)
        self._shut(account, "closed")

    @told_as_unavailable
    def erase(self, account: Account, *, why: str) -> None:
        """Close it and destroy its key for good: its log can never be read again; `infra.erasing` removes the rest."""
        self._refuse_operators_own(account)
        self._unfinished.open_mailbox(account.account_id)
        self._shut(account, "closed")
        if self._keys.get(account.mailbox_id) is not None:
            self._appender.run(EraseMailbox(mailbox_id=account.mailbox_id, command_id="erase", who=_OPERATOR, why=why))
            self._keys.destroy(account.mailbox_id)
        with self._connect() as connection, connection.transaction():
            for statement in (_FORGET_APP_PASSWORDS, _FORGET_SECOND_FACTOR, _FORGET_RECOVERY_CODES, _CLEAR_HASH):
                connection.execute(statement, (account.account_id,))

    @told_as_unavailable
    def set_quota(self, account: Account, limit_bytes: int) -> None:
        """The mailbox may hold this many bytes.

        Raises:
            QuotaInvalidError.
        """
        self._unfinished.open_mailbox(account.account_id)
        self._appender.run(
            SetQuota(mailbox_id=account.mailbox_id, command_id=new_id("q"), who=_OPERATOR, limit_bytes=limit_bytes)
        )

    @told_as_unavailable
    def block_sending(self, account: Account, *, why: str) -> None:
        """Nothing leaves the account until `allow_sending`; `why` is for its owner to read."""
        self._unfinished.open_mailbox(account.account_id)
        self._appender.run(
            RestrictSending(
                mailbox_id=account.mailbox_id,
                command_id=new_id("q"),
                who=_OPERATOR,
                why=why[:MAX_WHY_CHARS],
                blocked=True,
            )
        )

    @told_as_unavailable
    def allow_sending(self, account: Account) -> None:
        """Whatever keeps the account from sending is lifted."""
        self._unfinished.open_mailbox(account.account_id)
        self._appender.run(AllowSending(mailbox_id=account.mailbox_id, command_id=new_id("q"), who=_OPERATOR))

    def _shut(self, account: Account, state: str) -> None:
        self._unfinished.open_mailbox(account.account_id)
        self._put_state(account, state)

    def _is_erased(self, account: Account) -> bool:
        with self._connect() as connection:
            row = connection.execute(_ERASED, (account.mailbox_id,)).fetchone()
        return row == (True,) or self._keys.get(account.mailbox_id) is None

    def _put_state(self, account: Account, state: str) -> None:
        with self._connect() as connection, connection.transaction():
            connection.execute(_IN_ACCOUNTS.encode(), (state, account.account_id))
            connection.execute(_IN_DIRECTORY.encode(), (state, account.account_id))
            if state != "open":
                connection.execute(_END_SESSIONS, (account.account_id,))
                tell_ended(connection, account.account_id)

    def _refuse_operators_own(self, account: Account) -> None:
        with self._connect() as connection:
            row = connection.execute(_KIND, (account.account_id,)).fetchone()
        if row == ("operator",):
            raise AccountActionError(f"{account.address} is the operator's own: postmaster and abuse lead to it")
