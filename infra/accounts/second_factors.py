"""Second factors in Postgres: begun, switched on, asked for, taken off; the owner's log knows right after it."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from domain.decisions import RecordSecondFactor, RecordSecondFactorGone
from domain.events import Who
from domain.ids import MailboxId, new_id
from domain.totp import SECRET_OCTETS
from gateways.accounts import Account, AccountUnknownError, CredentialsInvalidError
from gateways.appending import Appender
from gateways.second_factors import NewSecondFactor, TotpOnError, TotpRequiredError, TotpUnknownError
from infra.accounts.credentials import CredentialCheck, Credentials
from infra.accounts.factor_codes import (
    Factor,
    FactorCodes,
    base32,
    forget_recovery_codes,
    key_uri,
    new_recovery_codes,
)
from infra.accounts.lookup import PostgresAccounts
from infra.accounts.outages import Connect, told_as_unavailable
from infra.accounts.throttle import SignInThrottle
from infra.buckets import Bucket

PURPOSE = b"ledgermail-second-factors-1"
"""What the sealing key is derived from the master key for."""
WRONG_CODES = Bucket(5, 300_000)
"""Of an account, by who knows its password: some 300 guesses a day, of which one in a thousand days is right."""
BEGUN_MS = 600_000
"""What was begun longer ago is switched on no more."""

_IS_ON = "SELECT FROM second_factors WHERE account_id = %s AND state = 'on'"
_BEGIN = (
    "INSERT INTO second_factors AS f (account_id, factor_id, sealed, state, begun_at) VALUES (%s, %s, %s, 'begun', %s)"
    " ON CONFLICT (account_id) DO UPDATE SET factor_id = excluded.factor_id, sealed = excluded.sealed,"
    " begun_at = excluded.begun_at, last_step = 0 WHERE f.state = 'begun'"
)
_LOCK = (
    "SELECT account_id, factor_id, sealed, state, begun_at, last_step FROM second_factors"
    " WHERE account_id = %s FOR UPDATE"
)
_PUT_STATE = (
    "UPDATE second_factors SET state = %s, by_whom = %s, session_id = %s, recorded = false WHERE account_id = %s"
)
_UNRECORDED = (
    "SELECT a.mailbox_id, f.factor_id, f.state, f.by_whom, f.session_id FROM second_factors f"
    " JOIN accounts a USING (account_id) WHERE f.account_id = %s AND NOT f.recorded"
)
_RECORDED = "UPDATE second_factors SET recorded = true WHERE factor_id = %s AND state = 'on'"
_GONE = "DELETE FROM second_factors WHERE factor_id = %s AND state = 'removed'"


class PostgresSecondFactors:
    """The port `gateways.second_factors.SecondFactors`, the check at sign-in, and an operator's way out.

    `secret` seals; `issuer` is the name under which authenticators show the account.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        accounts: PostgresAccounts,
        check: CredentialCheck,
        throttle: SignInThrottle,
        appender: Appender,
        secret: bytes,
        issuer: str,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._accounts = accounts
        self._check = check
        self._throttle = throttle
        self._appender = appender
        self._issuer = issuer
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._codes = FactorCodes(secret, self._clock_ms)

    @told_as_unavailable
    def is_on(self, account_id: str) -> bool:
        """Whether it guards the account; see `SecondFactors.is_on`."""
        with self._connect() as connection:
            return connection.execute(_IS_ON, (account_id,)).fetchone() is not None

    @told_as_unavailable
    def begin(self, account_id: str, *, password: str, network_address: str) -> NewSecondFactor:
        """A new one; see `SecondFactors.begin`."""
        account = self._account(account_id)
        self._check.require(account.address, password, network_address=network_address)
        self.record(account_id)
        secret, factor_id, now = secrets.token_bytes(SECRET_OCTETS), new_id("f"), self._clock_ms()
        sealed = self._codes.sealed(secret, account_id=account_id, factor_id=factor_id)
        with self._connect() as connection, connection.transaction():
            if not connection.execute(_BEGIN, (account_id, factor_id, sealed, now)).rowcount:
                raise TotpOnError("the account has a second factor: take that one off first")
            codes = new_recovery_codes(connection, account_id=account_id, factor_id=factor_id)
        return NewSecondFactor(
            base32(secret), key_uri(self._issuer, account.address, secret), codes, expires_at=now + BEGUN_MS
        )

    @told_as_unavailable
    def switch_on(self, account_id: str, code: str, *, session_id: str, who: Who) -> None:
        """From now on it is asked for; see `SecondFactors.switch_on`."""
        with self._throttle.attempt(account_id, who.address), self._locked(account_id) as (connection, factor):
            if factor is not None and factor.state == "on":
                raise TotpOnError("the second factor is on already")
            if factor is None or factor.state != "begun" or factor.begun_at + BEGUN_MS <= self._clock_ms():
                raise TotpUnknownError("no second factor is begun, or it was too long ago: begin again")
            if not self._codes.accepts(connection, factor, code):
                raise CredentialsInvalidError("this is not the code of now")
            connection.execute(_PUT_STATE, ("on", "owner", session_id, account_id))
        self.record(account_id, who=who)

    @told_as_unavailable
    def remove(self, account_id: str, code: str, *, session_id: str, who: Who) -> None:
        """It is asked for no more; see `SecondFactors.remove`."""
        self.record(account_id, who=who)
        with self._throttle.attempt(account_id, who.address), self._locked(account_id) as (connection, factor):
            standing = _standing(factor)
            self._codes.consume(connection, standing, code)
            _take_off(connection, account_id, by="owner", session_id=session_id)
        self.record(account_id, who=who)

    @told_as_unavailable
    def remove_by_operator(self, account_id: str) -> None:
        """It is asked for no more, for an owner who lost device and recovery codes.

        Raises: TotpUnknownError: there is none.
        """
        who = Who(actor="operator", client="command line")
        self.record(account_id, who=who)
        with self._locked(account_id) as (connection, factor):
            _standing(factor)
            _take_off(connection, account_id, by="operator", session_id="")
        self.record(account_id, who=who)

    def require(self, known: Credentials, code: str | None, *, network_address: str) -> int | None:
        """None where the password is enough, or the code right; where it was a recovery code: how many are left.

        Raises:
            TotpRequiredError (none was given), CredentialsInvalidError (a wrong one), SignInThrottledError.
        """
        if not known.has_second_factor:
            return None
        if code is None or not code.strip():
            raise TotpRequiredError("the code of the second factor is asked for, too")
        account_id = known.account_id
        with self._throttle.attempt(account_id, network_address), self._locked(account_id) as (connection, factor):
            if factor is None or factor.state != "on":
                return None  # taken off a moment ago
            return self._codes.consume(connection, factor, code)

    def record(self, account_id: str, *, who: Who | None = None) -> None:
        """The owner's log knows what became of the second factor. Nothing where it did."""
        with self._connect() as connection:
            row = connection.execute(_UNRECORDED, (account_id,)).fetchone()
        if row is None:
            return
        mailbox_id, factor_id, state, by, session_id = row
        named: dict[str, Any] = {"mailbox_id": MailboxId(mailbox_id), "who": who or Who(), "session_id": session_id}
        if state == "on":
            self._appender.run(RecordSecondFactor(command_id=f"factor:{factor_id}:on", **named))
        else:
            self._appender.run(RecordSecondFactorGone(command_id=f"factor:{factor_id}:off", by=by, **named))
        with self._connect() as connection:
            connection.execute(_RECORDED if state == "on" else _GONE, (factor_id,))

    def _account(self, account_id: str) -> Account:
        account = self._accounts.find(account_id)
        if account is None:
            raise AccountUnknownError("there is no such account")
        return account

    @contextmanager
    def _locked(self, account_id: str) -> Iterator[tuple[Connection[Any], Factor | None]]:
        """A transaction with the account's second factor, which nobody else changes meanwhile."""
        with self._connect() as connection, connection.transaction():
            with connection.cursor(row_factory=class_row(Factor)) as cursor:
                factor = cursor.execute(_LOCK, (account_id,)).fetchone()
            yield connection, factor


def _standing(factor: Factor | None) -> Factor:
    if factor is None or factor.state != "on":
        raise TotpUnknownError("the account has no second factor")
    return factor


def _take_off(connection: Connection[Any], account_id: str, *, by: str, session_id: str) -> None:
    connection.execute(_PUT_STATE, ("removed", by, session_id, account_id))
    forget_recovery_codes(connection, account_id)
