"""Looking accounts up by id, by address, and in order."""

from collections.abc import Sequence

from psycopg.rows import class_row

from domain.ids import MailboxId
from gateways.accounts import Account, AccountUnknownError
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.said import canonical, is_id

_COLUMNS = "account_id, mailbox_id, address, state, created_at, role"
_BY_ID = f"SELECT {_COLUMNS} FROM accounts WHERE account_id = %s"  # noqa: S608 - constants only
_BY_ADDRESS = f"SELECT {_COLUMNS} FROM accounts WHERE canonical = %s"  # noqa: S608
_PAGE = f"SELECT {_COLUMNS} FROM accounts WHERE (created_at, account_id) > (%s, %s)"  # noqa: S608
_IS_OPEN = (
    "SELECT FROM accounts a JOIN mailboxes b USING (mailbox_id)"
    " WHERE a.mailbox_id = %s AND a.state = 'open' AND NOT b.erased"
)
_ERASED = "SELECT mailbox_id FROM mailboxes WHERE mailbox_id = ANY (%s) AND erased"
_USAGE = "SELECT used_bytes, quota_bytes FROM mailboxes WHERE mailbox_id = %s"
_PAGE += " ORDER BY created_at, account_id LIMIT %s"


class PostgresAccounts:
    """The port `gateways.accounts.Accounts`, and what the command line asks beyond it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @told_as_unavailable
    def find(self, account_id: str) -> Account | None:
        """The account of this id; None where there is none."""
        return self._one(_BY_ID, account_id) if is_id(account_id) else None

    @told_as_unavailable
    def is_open(self, mailbox_id: MailboxId) -> bool:
        """Whether its owner is let in; see `Accounts.is_open`."""
        with self._connect() as connection:
            return connection.execute(_IS_OPEN, (mailbox_id,)).fetchone() is not None

    @told_as_unavailable
    def at(self, address: str) -> Account:
        """The account of this address.

        Raises:
            AccountUnknownError: nobody has it.
        """
        name = canonical(address)
        found = None if name is None else self._one(_BY_ADDRESS, name)
        if found is None:
            raise AccountUnknownError(f"there is no account {address[:100]!r}")
        return found

    @told_as_unavailable
    def page(self, after: Account | None = None, *, limit: int = 500) -> list[Account]:
        """Accounts from the oldest on, those behind `after`."""
        place = (after.created_at, after.account_id) if after else (0, "")
        with self._connect() as connection, connection.cursor(row_factory=class_row(Account)) as cursor:
            return cursor.execute(_PAGE.encode(), (*place, limit)).fetchall()

    @told_as_unavailable
    def erased(self, accounts: Sequence[Account]) -> set[MailboxId]:
        """The mailboxes of those of these accounts that were erased; their state says no more than `closed`."""
        with self._connect() as connection:
            found = connection.execute(_ERASED, ([account.mailbox_id for account in accounts],)).fetchall()
        return {MailboxId(mailbox_id) for (mailbox_id,) in found}

    @told_as_unavailable
    def usage(self, account: Account) -> tuple[int, int]:
        """Bytes used and allowed."""
        with self._connect() as connection:
            row = connection.execute(_USAGE, (account.mailbox_id,)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def _one(self, statement: str, value: str) -> Account | None:
        with self._connect() as connection, connection.cursor(row_factory=class_row(Account)) as cursor:
            return cursor.execute(statement.encode(), (value,)).fetchone()
