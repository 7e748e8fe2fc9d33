"""The key store that is a folder: `ab/cd/<mailbox>.key`, each wrapped by the master key, and `tombstones/<mailbox>`.

A tombstone decides: it is looked for at every call, before the cache, so that what one process destroys is gone from
all at once; and it outlives a restored copy of the keys when it is merged into it.
"""

import os
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

from domain.times import rfc3339
from infra.durable_files import (
    create_exclusively,
    flush,
    flush_folder,
    make_folders,
    remove_old_files,
    write_whole,
)
from infra.keys import KeyBrokenError, KeyDestroyedError, KeyMissingError, MailboxKey
from infra.master_key import FileCheck, check_closed, derived, open_master_key
from infra.sealing import forget_ciphers
from infra.wrapped_keys import is_mailbox_id, key_name, new_key, unwrapped, wrapped

CACHED_KEYS = 10_000
TEMPORARY_AGE_S = 86_400
_MAX_FILE_BYTES = 4096


class FileKeys:
    """Keys as files below `folder` (made, mode 0700), wrapped by the master key in `master_key_file` (made, mode 0600).

    Starting finishes destructions that a crash interrupted. Any number of processes may share the folder.

    Raises: MasterKeyError, whose text is one line for the operator.
    """

    def __init__(self, folder: Path, master_key_file: Path, *, cached_keys: int = CACHED_KEYS) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flush_folder(folder.parent)
        check_closed(folder)
        self._folder = folder
        self._temporary = make_folders(folder, ".tmp")
        self._tombstones = make_folders(folder, "tombstones")
        self._cached_keys = cached_keys
        self._cache: OrderedDict[str, MailboxKey] = OrderedDict()
        self._cache_lock = threading.Lock()
        remove_old_files(self._temporary, age_s=TEMPORARY_AGE_S)
        check = FileCheck(folder, self._temporary)
        self._master, self.created_master_key = open_master_key(master_key_file, check)
        for mailbox_id in _mailboxes_in(self._tombstones):
            self._erase(mailbox_id)

    def create(self, mailbox_id: str) -> MailboxKey:
        """The mailbox's key, made where there is none, durable; see `Keys.create`."""
        path = self._path(mailbox_id)
        self._refuse_destroyed(mailbox_id)
        make_folders(self._folder, key_name(mailbox_id).rpartition("/")[0])
        if path.exists():
            flush_folder(path.parent)
        else:
            stored = wrapped(self._master, mailbox_id, new_key())
            create_exclusively(path, stored, temporary=self._temporary / secrets.token_hex(16))
        key_kept = self.get(mailbox_id)
        if key_kept is None:
            # A destruction that began after the first look may have been too early to see this file.
            self._erase(mailbox_id)
            raise KeyDestroyedError(mailbox_id)
        return key_kept

    def get(self, mailbox_id: str) -> MailboxKey | None:
        """The mailbox's key; None when it was destroyed; see `Keys.get`."""
        with self._cache_lock:
            known = self._cache.get(mailbox_id)
            if known is not None:
                self._cache.move_to_end(mailbox_id)
        path = self._path(mailbox_id) if known is None else None
        if self._is_destroyed(mailbox_id):
            self._forget(mailbox_id)
            return None
        return known if path is None else self._load(mailbox_id, path)

    def destroy(self, mailbox_id: str) -> None:
        """Leave a durable tombstone, then overwrite the key's file and remove it; see `Keys.destroy`.

        On media that write elsewhere (SSDs, copy-on-write) the old blocks may outlive the file: wrapped, not open.
        """
        self._path(mailbox_id)
        self._bury(mailbox_id, rfc3339(_now_ms()).encode())

    def derived(self, purpose: bytes) -> bytes:
        """32 octets for one purpose, the same wherever the master key is."""
        return derived(self._master, purpose)

    def check(self) -> None:
        """Nothing, where the folder lies as it did at the start.

        Raises: OSError.
        """
        os.stat(self._tombstones)

    def tombstones(self) -> list[str]:
        """The mailboxes whose keys were destroyed, in order."""
        return sorted(_mailboxes_in(self._tombstones))

    def merge_tombstones(self, other_folder: Path) -> int:
        """Destroy here what was destroyed in another copy of the folder; how many that were.

        A restore calls it with the folder that the restored copy replaces, so that it brings nobody back.
        """
        merged = 0
        for mailbox_id in sorted(_mailboxes_in(other_folder / "tombstones")):
            if not self._is_destroyed(mailbox_id):
                self._bury(mailbox_id, (other_folder / "tombstones" / mailbox_id).read_bytes()[:64])
                merged += 1
        return merged

    def _bury(self, mailbox_id: str, when: bytes) -> None:
        temporary = self._temporary / secrets.token_hex(16)
        create_exclusively(self._tombstones / mailbox_id, when, temporary=temporary)
        self._forget(mailbox_id)
        self._erase(mailbox_id)

    def _load(self, mailbox_id: str, path: Path) -> MailboxKey | None:
        try:
            with path.open("rb") as file:
                stored = file.read(_MAX_FILE_BYTES)
            key = unwrapped(self._master, mailbox_id, stored)
        except FileNotFoundError:
            if self._is_destroyed(mailbox_id):
                return None  # looked for after another process removed it
            raise KeyMissingError(mailbox_id) from None
        except KeyBrokenError:
            if self._is_destroyed(mailbox_id):
                return None  # read while another process overwrote it
            raise
        with self._cache_lock:
            self._cache[mailbox_id] = key
            if len(self._cache) > self._cached_keys:
                self._cache.popitem(last=False)
        return key

    def _erase(self, mailbox_id: str) -> None:
        path = self._path(mailbox_id)
        try:
            descriptor = os.open(path, os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            write_whole(descriptor, os.urandom(os.fstat(descriptor).st_size))
            flush(descriptor)
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)
        flush_folder(path.parent)

    def _forget(self, mailbox_id: str) -> None:
        with self._cache_lock:
            known = self._cache.pop(mailbox_id, None)
        if known is not None:
            forget_ciphers()

    def _refuse_destroyed(self, mailbox_id: str) -> None:
        if self._is_destroyed(mailbox_id):
            raise KeyDestroyedError(mailbox_id)

    def _is_destroyed(self, mailbox_id: str) -> bool:
        try:
            os.stat(f"{self._tombstones}/{mailbox_id}")
        except FileNotFoundError:
            return False
        return True

    def _path(self, mailbox_id: str) -> Path:
        return self._folder / key_name(mailbox_id)


def _mailboxes_in(tombstones: Path) -> list[str]:
    if not tombstones.is_dir():
        return []
    return [name for name in os.listdir(tombstones) if is_mailbox_id(name)]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
