"""The codes of one second factor: those that follow the time, and those for who lost the device. Each is good once."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from psycopg import Connection

from domain.totp import DIGITS, PERIOD_S, matching_step
from gateways.accounts import CredentialsInvalidError
from infra.sealing import open_sealed, seal

RECOVERY_CODES = 10

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4
_SEPARATORS = re.compile(r"[\s-]+")
_MAX_TYPED_CHARS = 100
_STEP = "UPDATE second_factors SET last_step = %s WHERE account_id = %s"
_FORGET = "DELETE FROM recovery_codes WHERE account_id = %s"
_ADD = "INSERT INTO recovery_codes (account_id, hash) SELECT %s, unnest(%s::bytea[])"
_USE = "DELETE FROM recovery_codes WHERE account_id = %s AND hash = %s"
_LEFT = "SELECT count(*) FROM recovery_codes WHERE account_id = %s"


class Factor(msgspec.Struct, frozen=True):
    """A row of `second_factors`; times are unix milliseconds."""

    account_id: str
    factor_id: str
    sealed: bytes
    state: str
    begun_at: int
    last_step: int


class FactorCodes:
    """Looks at codes. `secret` seals the secrets; whoever calls holds the lock of the factor's row in a transaction."""

    def __init__(self, secret: bytes, clock_ms: Callable[[], int]) -> None:
        self._secret = secret
        self._clock_ms = clock_ms

    def sealed(self, secret: bytes, *, account_id: str, factor_id: str) -> bytes:
        """A factor's secret as it is kept."""
        return seal(self._secret, secret, _aad(account_id, factor_id))

    def accepts(self, connection: Connection[Any], factor: Factor, code: str) -> bool:
        """Whether it is a code of now, later than all that were accepted; from now on none up to it is."""
        typed = _typed(code)
        if len(typed) != DIGITS:
            return False
        secret = open_sealed(self._secret, factor.sealed, _aad(factor.account_id, factor.factor_id))
        step = matching_step(secret, typed, now_ms=self._clock_ms(), after=factor.last_step)
        if step is not None:
            connection.execute(_STEP, (step, factor.account_id))
        return step is not None

    def consume(self, connection: Connection[Any], factor: Factor, code: str) -> int | None:
        """Accept a code; or a recovery code, and how many are left of them.

        Raises: CredentialsInvalidError.
        """
        if self.accepts(connection, factor, code):
            return None
        if not connection.execute(_USE, (factor.account_id, hashed(factor.factor_id, code))).rowcount:
            raise CredentialsInvalidError("this code is wrong, or was used before")
        left = connection.execute(_LEFT, (factor.account_id,)).fetchone()
        return 0 if left is None else int(left[0])


def new_recovery_codes(connection: Connection[Any], *, account_id: str, factor_id: str) -> list[str]:
    """Ten codes of 80 bits of chance, in place of those before; their hashes alone are kept."""
    made = [_new_code() for _ in range(RECOVERY_CODES)]
    forget_recovery_codes(connection, account_id)
    connection.execute(_ADD, (account_id, [hashed(factor_id, code) for code in made]))
    return made


def forget_recovery_codes(connection: Connection[Any], account_id: str) -> None:
    """None of them opens anything."""
    connection.execute(_FORGET, (account_id,))


def key_uri(issuer: str, address: str, secret: bytes) -> str:
    """What authenticators scan (the key URI format: label, then SHA-1, six digits, 30 seconds)."""
    told = {"secret": base32(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD_S}
    return f"otpauth://totp/{quote(f'{issuer}:{address}', safe=':')}?{urlencode(told)}"


def base32(secret: bytes) -> str:
    """A secret as people type it."""
    return base64.b32encode(secret).decode()


def hashed(factor_id: str, code: str) -> bytes:
    """What is kept of a recovery code, however its groups are typed."""
    return hashlib.sha256(f"{factor_id}\0{_typed(code)}".encode(errors="surrogatepass")).digest()


def _new_code() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def _typed(code: str) -> str:
    return _SEPARATORS.sub("", code[:_MAX_TYPED_CHARS]).lower()


def _aad(account_id: str, factor_id: str) -> bytes:
    return f"{account_id}\0{factor_id}".encode()
