"""The key store that is an S3 bucket of its own: `keys/<mailbox>.key`, each wrapped, and `tombstones/<mailbox>`.

Asking the server for a tombstone at every call would cost every event a round trip. Instead whoever destroys a key
changes the one object `destroyed`, and every process looks at that object before it trusts what it remembers, unless
it looked within the last `KNOWN_S`. A destruction is over only when that time is over too: so a key destroyed by any
process is gone from every other one's next call. All processes that share a bucket must have the same `KNOWN_S`.

The bucket must not keep old versions, and must refuse to create what is there (`If-None-Match`); both are asked.
"""

import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

from botocore.exceptions import ClientError

from domain.times import rfc3339
from infra.keys import KeyBrokenError, KeyDestroyedError, KeyMissingError, MailboxKey, MasterKeyError
from infra.master_key import CHECK_FILE, derived, open_master_key
from infra.s3_bucket import Bucket, S3DamagedError
from infra.s3_client import S3UnavailableError
from infra.sealing import forget_ciphers
from infra.wrapped_keys import checked_mailbox_id, is_mailbox_id, new_key, unwrapped, wrapped

CACHED_KEYS = 10_000
KNOWN_S = 1.0
_MARGIN = 1.1  # clocks of two machines do not run equally fast
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_KEYS, _TOMBSTONES, _DESTROYED = "keys/", "tombstones/", "destroyed"


class S3Keys:
    """Keys in `bucket`, wrapped by the master key in `master_key_file` (made, mode 0600, where none wraps them yet).

    Starting finishes destructions that a crash interrupted. Any number of processes may share the bucket; each needs
    the same master key.

    Raises: MasterKeyError, whose text is one line for the operator; S3UnavailableError.
    """

    def __init__(self, bucket: Bucket, master_key_file: Path, *, known_s: float = KNOWN_S) -> None:
        self._bucket = bucket
        self._known_s = known_s
        self._cache: OrderedDict[str, MailboxKey] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._looking = threading.Lock()
        self._trusted_until = 0.0
        self._seen: bytes | None = None
        self._turn = 0
        check = BucketCheck(bucket)
        self._master, self.created_master_key = open_master_key(master_key_file, check)
        check.require_exclusive_creation()
        require_unversioned(bucket)
        self._finish_destructions()

    def create(self, mailbox_id: str) -> MailboxKey:
        """The mailbox's key, made where there is none, durable; see `Keys.create`."""
        name = _key(mailbox_id)
        if self._is_destroyed(mailbox_id):
            raise KeyDestroyedError(mailbox_id)
        self._bucket.create(name, wrapped(self._master, mailbox_id, new_key()))
        kept = self.get(mailbox_id)
        if kept is None:
            # A destruction that began after the first look may have been too early to see this key.
            self._bucket.delete(name)
            raise KeyDestroyedError(mailbox_id)
        return kept

    def get(self, mailbox_id: str) -> MailboxKey | None:
        """The mailbox's key; None when it was destroyed; see `Keys.get`."""
        name = _key(mailbox_id)
        turn = self._look()
        with self._cache_lock:
            known = self._cache.get(mailbox_id)
            if known is not None:
                self._cache.move_to_end(mailbox_id)
                return known
        key = self._load(mailbox_id, name)
        if key is not None:
            self._remember(mailbox_id, key, turn)
        return key

    def destroy(self, mailbox_id: str) -> None:
        """Leave a durable tombstone, tell all processes, take the key away; see `Keys.destroy`.

        Takes `KNOWN_S` longer than it works: until then another process may still trust what it remembers.
        """
        name = _key(mailbox_id)
        self._bucket.create(_TOMBSTONES + mailbox_id, rfc3339(time.time_ns() // 1_000_000).encode())
        self._bucket.put(_DESTROYED, os.urandom(16))
        told_at = _now_s()
        self._bucket.delete(name)
        self._trusted_until = 0.0
        self._look()
        time.sleep(max(0.0, told_at + self._known_s * _MARGIN - _now_s()))

    def derived(self, purpose: bytes) -> bytes:
        """32 octets for one purpose, the same wherever the master key is."""
        return derived(self._master, purpose)

    def check(self) -> None:
        """Nothing, where the bucket answers.

        Raises: S3UnavailableError
        """
        self._bucket.check()

    def tombstones(self) -> list[str]:
        """The mailboxes whose keys were destroyed, in order."""
        names = (name.removeprefix(_TOMBSTONES) for name in self._bucket.names(_TOMBSTONES))
        return sorted(filter(is_mailbox_id, names))

    def _look(self) -> int:
        """Forget every key if any was destroyed since the last look; the turn, which changes whenever that happens."""
        if _now_s() < self._trusted_until:
            return self._turn
        with self._looking:
            asked_at = _now_s()
            if asked_at < self._trusted_until:
                return self._turn
            found = self._bucket.get(_DESTROYED)
            if found != self._seen:
                self._forget(found)
            self._trusted_until = asked_at + self._known_s
            return self._turn

    def _forget(self, seen: bytes | None) -> None:
        with self._cache_lock:
            self._cache.clear()
            self._seen = seen
            self._turn += 1
        forget_ciphers()

    def _load(self, mailbox_id: str, name: str) -> MailboxKey | None:
        try:
            stored = self._bucket.get(name)
        except S3DamagedError as error:
            raise KeyBrokenError(f"the key of mailbox {mailbox_id} is damaged") from error
        if self._is_destroyed(mailbox_id):  # asked after the key: who destroys it leaves the tombstone first
            return None
        if stored is None:
            raise KeyMissingError(mailbox_id)
        return unwrapped(self._master, mailbox_id, stored)

    def _remember(self, mailbox_id: str, key: MailboxKey, turn: int) -> None:
        """Unless one was destroyed since the look that this key was loaded after."""
        with self._cache_lock:
            if turn != self._turn:
                return
            self._cache[mailbox_id] = key
            if len(self._cache) > CACHED_KEYS:
                self._cache.popitem(last=False)

    def _is_destroyed(self, mailbox_id: str) -> bool:
        return self._bucket.size(_TOMBSTONES + mailbox_id) is not None

    def _finish_destructions(self) -> None:
        destroyed = self.tombstones()
        if destroyed:
            self._bucket.put(_DESTROYED, os.urandom(16))
            self._bucket.delete_many([_key(mailbox_id) for mailbox_id in destroyed])


class BucketCheck:
    """The port `infra.master_key.MasterCheck` in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self) -> bytes | None:
        """See `MasterCheck.read`."""
        try:
            return self._bucket.get(CHECK_FILE)
        except S3UnavailableError as error:
            raise MasterKeyError(f"{self} cannot be read: {error}") from error

    def create(self, data: bytes) -> None:
        """See `MasterCheck.create`."""
        try:
            self._bucket.create(CHECK_FILE, data)
        except S3UnavailableError as error:
            raise MasterKeyError(f"{self} cannot be written to: {error}") from error

    def require_exclusive_creation(self) -> None:
        """Nothing, where the server refuses to create what is there: two keys for one mailbox would lose mail.

        Raises: MasterKeyError
        """
        stands = self.read()
        if stands is None or self._bucket.create(CHECK_FILE, stands):
            raise MasterKeyError(f"{self} cannot hold keys: its server does not heed If-None-Match")

    def __str__(self) -> str:
        return f"the S3 bucket {self._bucket.name!r}"


def require_unversioned(bucket: Bucket) -> None:
    """Nothing, where what is deleted in the bucket is gone.

    Raises: MasterKeyError: it keeps old versions, or did so.
    """
    try:
        status = bucket.client.get_bucket_versioning(Bucket=bucket.name).get("Status")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NotImplemented", "VersioningNotConfigured"):
            raise MasterKeyError(
                f"the S3 bucket {bucket.name!r} does not say whether it keeps versions: {error}"
            ) from error
        status = None
    if status is not None:
        raise MasterKeyError(
            f"the S3 bucket {bucket.name!r} keeps old versions: a destroyed key would outlive itself in it"
        )


def _key(mailbox_id: str) -> str:
    return f"{_KEYS}{checked_mailbox_id(mailbox_id)}.key"


def _now_s() -> float:
    """Is never set, and on Linux goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)
