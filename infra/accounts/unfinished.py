"""What a crash may leave undone between the accounts and the log, finished by whoever comes next. Safe to race."""

from collections.abc import Callable

from domain.commands import Command
from domain.decisions import OpenMailbox, RecordPasswordChange
from domain.events import Who
from domain.ids import MailboxId
from gateways.appending import Appender
from infra.accounts.outages import Connect
from infra.keys import Keys

_OPENING = (
    "SELECT mailbox_id, address, coalesce(opening_name, ''), coalesce(opening_quota, 0)"
    " FROM accounts WHERE account_id = %s AND state = 'opening'"
)
_OPENED = (
    "UPDATE accounts SET state = 'open', opening_name = NULL, opening_quota = NULL"
    " WHERE account_id = %s AND state = 'opening'"
)
_ENTERED = "UPDATE directory SET state = 'open' WHERE account_id = %s AND state = 'opening'"
_UNRECORDED = (
    "SELECT mailbox_id, password_version, password_by FROM accounts"
    " WHERE account_id = %s AND password_recorded < password_version"
)
_RECORDED = (
    "UPDATE accounts SET password_recorded = %s WHERE account_id = %s AND password_recorded < %s"  # never backwards
)


class Unfinished:
    """Finishes what was begun: the key and the first event of a mailbox, the record of a new password.

    `before_step` is called with each step's name before it; tests interrupt there.
    """

    def __init__(
        self,
        connect: Connect,
        keys: Keys,
        appender: Appender,
        *,
        before_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._connect = connect
        self._keys = keys
        self._appender = appender
        self._before_step = before_step

    def open_mailbox(self, account_id: str, *, who: Who | None = None) -> None:
        """The account's mailbox is open on return. Nothing where it was."""
        with self._connect() as connection:
            row = connection.execute(_OPENING, (account_id,)).fetchone()
        if row is None:
            return
        mailbox_id, address, display_name, quota_bytes = row
        self._before_step("key")
        self._keys.create(mailbox_id)
        self._before_step("append")
        self._append(
            OpenMailbox(
                mailbox_id=MailboxId(mailbox_id),
                command_id="open",
                who=who or Who(),
                address=address,
                display_name=display_name,
                quota_bytes=quota_bytes,
            )
        )
        self._before_step("state")
        with self._connect() as connection, connection.transaction():
            connection.execute(_OPENED, (account_id,))
            connection.execute(_ENTERED, (account_id,))

    def record_password(self, account_id: str, *, who: Who | None = None) -> None:
        """The owner's log knows of the last change of the password. Nothing where it did."""
        with self._connect() as connection:
            row = connection.execute(_UNRECORDED, (account_id,)).fetchone()
        if row is None:
            return
        mailbox_id, version, by = row
        self._before_step("record")
        command_id = f"password:{version}"
        self._append(RecordPasswordChange(mailbox_id=mailbox_id, command_id=command_id, who=who or Who(), by=by))
        with self._connect() as connection:
            connection.execute(_RECORDED, (version, account_id, version))

    def _append(self, command: Command) -> None:
        self._appender.run(command)
