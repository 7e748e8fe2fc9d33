"""Passwords for native clients: made here from 100 bits of chance, shown once, kept as a salted hash."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable

from psycopg.rows import class_row

from domain.decisions import AddAppPassword, RecordSignIn, RemoveAppPassword
from domain.events import Who
from domain.ids import MailboxId, new_id
from gateways.accounts import (
    AccountSuspendedError,
    AccountUnknownError,
    AppPassword,
    AppPasswordInvalidError,
    AppPasswordUnknownError,
    CredentialsInvalidError,
    NewAppPassword,
    Principal,
)
from gateways.appending import Appender
from infra.accounts.credentials import CredentialCheck, Credentials
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.said import canonical, is_id, said
from infra.accounts.throttle import SignInThrottle

MAX_APP_PASSWORDS = 50
MAX_NAME_CHARS = 100
USED_EVERY_MS = 300_000
DAY_MS = 86_400_000

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 4
_SEPARATORS = re.compile(r"[\s-]+")
_COLUMNS = "app_password_id, name, created_at, last_used_at"
_ROOM = "SELECT mailbox_id FROM accounts WHERE account_id = %s AND state = 'open' FOR UPDATE"
_COUNT = "SELECT count(*) FROM app_passwords WHERE account_id = %s AND NOT removed"
_INSERT = (
    "INSERT INTO app_passwords (app_password_id, account_id, name, salt, hash, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
_LIST = (
    f"SELECT {_COLUMNS} FROM app_passwords WHERE account_id = %s AND NOT removed"  # noqa: S608 - constants only
    " ORDER BY created_at DESC, app_password_id DESC"
)
_REMOVE = (
    "UPDATE app_passwords p SET removed = true FROM accounts a WHERE p.account_id = a.account_id"
    " AND p.account_id = %s AND p.app_password_id = %s RETURNING a.mailbox_id"
)
_GONE = "DELETE FROM app_passwords WHERE app_password_id = %s"
_HASHES = (
    "SELECT app_password_id, salt, hash, coalesce(last_used_at, 0) FROM app_passwords"
    " WHERE account_id = %s AND NOT removed ORDER BY app_password_id"
)
_USED = "UPDATE app_passwords SET last_used_at = %s WHERE app_password_id = %s"


class PostgresAppPasswords:
    """The port `gateways.accounts.AppPasswords`."""

    def __init__(
        self,
        connect: Connect,
        check: CredentialCheck,
        throttle: SignInThrottle,
        appender: Appender,
        *,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._check = check
        self._throttle = throttle
        self._appender = appender
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    @told_as_unavailable
    def add(self, account_id: str, name: str, *, who: Who | None = None) -> NewAppPassword:
        """One more; see `AppPasswords.add`."""
        named = said(name).strip()
        if not named or len(name) > MAX_NAME_CHARS:
            raise AppPasswordInvalidError(f"the name of an app password has 1 to {MAX_NAME_CHARS} characters")
        made = AppPassword(new_id("p"), named, self._clock_ms(), None)
        secret = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
        mailbox_id = self._insert(account_id, made, secret)
        try:
            self._appender.run(
                AddAppPassword(
                    mailbox_id=mailbox_id,
                    command_id=f"add:{made.app_password_id}",
                    who=who or Who(),
                    app_password_id=made.app_password_id,
                    name=named,
                )
            )
        except BaseException:  # no password without its record
            self._delete(made.app_password_id)
            raise
        return NewAppPassword(made, secret)

    def _insert(self, account_id: str, made: AppPassword, secret: str) -> MailboxId:
        salt = secrets.token_bytes(16)
        with self._connect() as connection, connection.transaction():
            row = connection.execute(_ROOM, (account_id,)).fetchone()
            if row is None:
                raise AccountUnknownError("there is no such account")
            counted = connection.execute(_COUNT, (account_id,)).fetchone()
            if counted is None or counted[0] >= MAX_APP_PASSWORDS:
                raise AppPasswordInvalidError(f"an account has at most {MAX_APP_PASSWORDS} app passwords")
            values = (made.app_password_id, account_id, made.name, salt, _hash(salt, secret), made.created_at)
            connection.execute(_INSERT, values)
        return MailboxId(row[0])

    @told_as_unavailable
    def list_all(self, account_id: str) -> list[AppPassword]:
        """The account's; see `AppPasswords.list_all`."""
        with self._connect() as connection, connection.cursor(row_factory=class_row(AppPassword)) as cursor:
            return cursor.execute(_LIST.encode(), (account_id,)).fetchall()

    @told_as_unavailable
    def remove(self, account_id: str, app_password_id: str, *, who: Who | None = None) -> None:
        """It opens nothing from now on; see `AppPasswords.remove`. A repeat finishes what a crash interrupted."""
        row = None
        if is_id(app_password_id):
            with self._connect() as connection:
                row = connection.execute(_REMOVE, (account_id, app_password_id)).fetchone()
        if row is None:
            raise AppPasswordUnknownError("no such app password")
        self._appender.run(
            RemoveAppPassword(
                mailbox_id=row[0],
                command_id=f"remove:{app_password_id}",
                who=who or Who(),
                app_password_id=app_password_id,
            )
        )
        self._delete(app_password_id)

    def _delete(self, app_password_id: str) -> None:
        with self._connect() as connection:
            connection.execute(_GONE, (app_password_id,))

    @told_as_unavailable
    def verify(self, address: str, secret: str, *, client: str, network_address: str, protocol: str) -> Principal:
        """Whom a native client's log-in speaks for; see `AppPasswords.verify`."""
        name = canonical(address)
        with self._throttle.attempt(name or address, network_address):
            known = None if name is None else self._check.find(name)
            app_password_id = None if known is None else self.matching(known.account_id, secret)
            if known is None or app_password_id is None or known.state not in ("open", "suspended"):
                raise CredentialsInvalidError("address and password do not belong together")
        if known.state == "suspended":
            raise AccountSuspendedError("the account is suspended")
        self.record(known, app_password_id, client=client, network_address=network_address, protocol=protocol)
        return Principal(known.account_id, known.mailbox_id, known.address, app_password_id, known.role)

    def matching(self, account_id: str, secret: str) -> str | None:
        """The id of the account's app password that this is, noted as used; None where it is none of them."""
        now = self._clock_ms()
        with self._connect() as connection:
            rows = connection.execute(_HASHES, (account_id,)).fetchall()
            for app_password_id, salt, kept, last_used_at in rows:
                if hmac.compare_digest(_hash(salt, secret), bytes(kept)):
                    if now - last_used_at >= USED_EVERY_MS:
                        connection.execute(_USED, (now, app_password_id))
                    return str(app_password_id)
        return None

    def record(
        self, known: Credentials, signed_in_by: str, *, client: str, network_address: str, protocol: str
    ) -> None:
        """`SignedIn` once a day for each place and client: the command id tells a repeat, so nothing more is kept.

        `signed_in_by` names the password: an id, or a word.
        """
        client, address = said(client), said(network_address)
        place = hashlib.sha256("\0".join((client, address, protocol)).encode()).hexdigest()[:16]
        self._appender.run(
            RecordSignIn(
                mailbox_id=known.mailbox_id,
                command_id=f"signin:{signed_in_by}:{self._clock_ms() // DAY_MS}:{place}",
                who=Who(actor="owner", client=client, protocol=protocol, address=address),
                session_id=signed_in_by,
                address=address,
                client=client,
                protocol=protocol,
            )
        )


def _hash(salt: bytes, secret: str) -> bytes:
    """Of the secret as it was shown, however its groups are typed."""
    typed = _SEPARATORS.sub("", secret[:200]).lower()
    return hashlib.sha256(bytes(salt) + typed.encode(errors="surrogatepass")).digest()
