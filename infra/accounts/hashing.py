"""Password hashes: argon2id with 19 MiB, at most two at once, so that a flood of sign-ins cannot take the memory."""

import base64
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

from gateways.accounts import SignInThrottledError

MEMORY_KIB = 19 * 1024
PASSES = 2
AT_ONCE = 2
PATIENCE_S = 10.0
MAX_PASSWORD_OCTETS = 1024

_SALT_OCTETS, _HASH_OCTETS = 16, 32


def _encoded(octets: int) -> str:
    return base64.b64encode(bytes(octets)).decode().rstrip("=")


NOBODYS = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${_encoded(_SALT_OCTETS)}${_encoded(_HASH_OCTETS)}"
"""A hash that no password has: verifying against it costs what verifying against a real one does."""


class PasswordHashing:
    """Makes and verifies hashes, `AT_ONCE` at a time; who waits longer than `patience_s` is told to come back."""

    def __init__(self, *, at_once: int = AT_ONCE, patience_s: float = PATIENCE_S) -> None:
        self._hasher = PasswordHasher(
            time_cost=PASSES,
            memory_cost=MEMORY_KIB,
            parallelism=1,
            hash_len=_HASH_OCTETS,
            salt_len=_SALT_OCTETS,
            type=Type.ID,
        )
        self._turns = threading.BoundedSemaphore(at_once)
        self._patience_s = patience_s

    def hash(self, password: str) -> str:
        """A salted hash of the password.

        Raises:
            SignInThrottledError: too many wait.
        """
        with self._turn():
            return self._hasher.hash(_octets(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password has this hash. None stands for nobody's, which takes as long and is never right.

        Raises:
            SignInThrottledError: too many wait.
        """
        with self._turn():
            try:
                return self._hasher.verify(stored or NOBODYS, _octets(password)) and stored is not None
            except VerifyMismatchError:
                return False

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _turn(self) -> "_Turn":
        return _Turn(self._turns, self._patience_s)


class _Turn:
    def __init__(self, turns: threading.BoundedSemaphore, patience_s: float) -> None:
        self._turns = turns
        self._patience_s = patience_s

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=self._patience_s):
            raise SignInThrottledError("too many sign-ins at once", retry_after_s=5)

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def _octets(password: str) -> bytes:
    """The password as it is hashed: NFC (RFC 8265 section 4.2.2), cut where no password of ours can reach."""
    composed = unicodedata.normalize("NFC", password[: MAX_PASSWORD_OCTETS * 2])
    return composed.encode(errors="surrogatepass")[: MAX_PASSWORD_OCTETS + 1]
