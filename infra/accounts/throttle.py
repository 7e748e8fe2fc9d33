"""Failures to sign in, counted by leaky buckets (`infra.buckets`), which all processes share.

Each account takes 10 failures at once and forgets one every 90 s; each network address (IPv6: /64) takes 100 and
forgets one every 9 s. An attempt is counted before the password is looked at and taken back when it was right, so
that attempts side by side cannot slip through. Native clients have buckets of their own: a phone with an old password
keeps nobody from the webmail.
"""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

from gateways.accounts import CredentialsInvalidError, SignInThrottledError
from infra.accounts.said import network_of
from infra.buckets import Bucket, Buckets, Charge

ACCOUNT = Bucket(10, 90_000)
NETWORK = Bucket(100, 9_000)


class SignInThrottle:
    """Counts attempts to sign in, of `kind` of password."""

    def __init__(
        self, buckets: Buckets, kind: str = "password", *, account: Bucket = ACCOUNT, network: Bucket = NETWORK
    ) -> None:
        self._buckets = buckets
        self._kind = kind
        self._account = account
        self._network = network

    @contextmanager
    def attempt(self, address: str, network_address: str) -> Iterator[None]:
        """Around the check of a password for `address`: `CredentialsInvalidError` in it is a failure.

        Raises:
            SignInThrottledError: there were too many; nothing was checked.
        """
        account = Charge(_subject(self._kind, address), self._account)
        network = Charge(_subject("network", network_of(network_address)), self._network)
        if wait_ms := self._buckets.add([account, network]):
            raise SignInThrottledError("too many failed attempts", retry_after_s=max(1, math.ceil(wait_ms / 1000)))
        try:
            yield
        except CredentialsInvalidError:
            raise
        except BaseException:  # nothing was checked
            self._buckets.take_back([account, network])
            raise
        self._buckets.take_back([network], emptied=account.subject)


def _subject(kind: str, what: str) -> str:
    """Hashed, so that what counts names nobody."""
    return f"{kind}:{hashlib.sha256(what.encode(errors='surrogatepass')).hexdigest()[:32]}"
