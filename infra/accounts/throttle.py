"""Failures to sign in, counted by leaky buckets in Postgres, so that all processes count together.

Each account takes 10 failures at once and forgets one every 90 s; each network address (IPv6: /64) takes 100 and
forgets one every 9 s. An attempt is counted before the password is looked at and taken back when it was right, so
that attempts side by side cannot slip through. Native clients have buckets of their own: a phone with an old password
keeps nobody from the webmail. Counts may be lost in a crash of the database, never more.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from psycopg import Connection

from gateways.accounts import CredentialsInvalidError, SignInThrottledError
from infra.accounts.outages import Connect
from infra.accounts.said import network_of


class Bucket(msgspec.Struct, frozen=True):
    """So many failures at once, and one forgotten every `interval_ms`."""

    failures: int
    interval_ms: int


ACCOUNT = Bucket(10, 90_000)
NETWORK = Bucket(100, 9_000)

_CHARGE = (
    "INSERT INTO sign_in_failures AS f (subject, empty_at) VALUES (%(subject)s, %(now)s + %(interval)s)"
    " ON CONFLICT (subject) DO UPDATE SET empty_at = greatest(f.empty_at, %(now)s) + %(interval)s"
    " WHERE greatest(f.empty_at, %(now)s) + %(interval)s <= %(now)s + %(full)s"
)
_EMPTY_AT = "SELECT empty_at FROM sign_in_failures WHERE subject = %s"
_FORGET = "DELETE FROM sign_in_failures WHERE subject = %s"
_LESS = "UPDATE sign_in_failures SET empty_at = empty_at - %s WHERE subject = %s"
_SWEEP = (
    "DELETE FROM sign_in_failures WHERE subject IN (SELECT subject FROM sign_in_failures"
    " WHERE empty_at < %s ORDER BY empty_at LIMIT 8 FOR UPDATE SKIP LOCKED)"
)


class SignInThrottle:
    """Counts attempts to sign in, of `kind` of password."""

    def __init__(
        self,
        connect: Connect,
        kind: str = "password",
        *,
        account: Bucket = ACCOUNT,
        network: Bucket = NETWORK,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._connect = connect
        self._kind = kind
        self._account = account
        self._network = network
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    @contextmanager
    def attempt(self, address: str, network_address: str) -> Iterator[None]:
        """Around the check of a password for `address`: `CredentialsInvalidError` in it is a failure.

        Raises:
            SignInThrottledError: there were too many; nothing was checked.
        """
        account = _subject(self._kind, address)
        network = _subject("network", network_of(network_address))
        self._charge(account, network)
        try:
            yield
        except CredentialsInvalidError:
            raise
        except BaseException:  # nothing was checked
            self._take_back((_LESS, (self._account.interval_ms, account)), network)
            raise
        self._take_back((_FORGET, (account,)), network)

    def _take_back(self, of_account: tuple[str, tuple[int | str, ...]], network: str) -> None:
        statement, values = of_account
        with self._connect() as connection, connection.transaction():
            connection.execute(statement.encode(), values)
            connection.execute(_LESS, (self._network.interval_ms, network))

    def _charge(self, account: str, network: str) -> None:
        now = self._clock_ms()
        with self._connect() as connection, connection.transaction():
            _add(connection, account, self._account, now)
            _add(connection, network, self._network, now)
            connection.execute(_SWEEP, (now,))


def _add(connection: Connection[Any], subject: str, bucket: Bucket, now: int) -> None:
    full = bucket.failures * bucket.interval_ms
    values = {"subject": subject, "now": now, "interval": bucket.interval_ms, "full": full}
    if connection.execute(_CHARGE, values).rowcount:
        return
    row = connection.execute(_EMPTY_AT, (subject,)).fetchone()
    wait_ms = (row[0] if row else now) + bucket.interval_ms - full - now
    raise SignInThrottledError("too many failed attempts", retry_after_s=max(1, math.ceil(wait_ms / 1000)))


def _subject(kind: str, what: str) -> str:
    """Hashed, so that the table names nobody."""
    return f"{kind}:{hashlib.sha256(what.encode(errors='surrogatepass')).hexdigest()[:32]}"
