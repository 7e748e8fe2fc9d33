"""The master key that wraps all mailbox keys: made on first start, refused when open to others or not the right one."""

import hmac
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.durable_files import create_exclusively, flush_folder
from infra.keys import MasterKeyError
from infra.sealing import KEY_BYTES, SealBrokenError, open_sealed, seal

_CHECK = b"ledgermail-master-1"
CHECK_FILE = "master.check"
"""Lies with the wrapped keys; opens under their master key only."""


class MasterCheck(Protocol):
    """What lies with the wrapped keys and opens under their master key only."""

    def read(self) -> bytes | None:
        """What was put there; None where nothing was."""
        ...

    def create(self, data: bytes) -> None:
        """Put it there, durably, unless something lies there already."""
        ...

    def __str__(self) -> str:
        """Where it lies, for the operator."""
        ...


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The check of keys in a folder; `temporary` is a folder for unfinished files."""

    keys_folder: Path
    temporary: Path

    def read(self) -> bytes | None:
        """See `MasterCheck.read`."""
        try:
            return (self.keys_folder / CHECK_FILE).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, data: bytes) -> None:
        """See `MasterCheck.create`."""
        create_exclusively(self.keys_folder / CHECK_FILE, data, temporary=self.temporary / secrets.token_hex(16))

    def __str__(self) -> str:
        return str(self.keys_folder)


def check_closed(path: Path) -> None:
    """Refuse a file or folder that group or others could read or write.

    Raises: MasterKeyError
    """
    mode = path.stat().st_mode
    if mode & 0o077:
        right = "700" if stat.S_ISDIR(mode) else "600"
        raise MasterKeyError(f"{path} is open to other users: chmod {right} {path}")


def derived(master: bytes, purpose: bytes) -> bytes:
    """32 octets for one purpose, which tell nothing of the master key nor of those for another."""
    return hmac.digest(master, purpose, "sha256")


def open_master_key(path: Path, check: MasterCheck) -> tuple[bytes, bool]:
    """The master key of `path` and whether it was made now.

    Raises: MasterKeyError: it is missing while keys wrapped by it are there, is open to others, is no key or another.
    """
    try:
        created = not path.exists() and _create(path, check)
        key = _read(path)
    except OSError as error:
        raise MasterKeyError(f"the master key {path} cannot be read: {error.strerror or error}") from error
    if check.read() is None:
        check.create(seal(key, _CHECK, _CHECK))
    try:
        open_sealed(key, check.read() or b"", _CHECK)
    except SealBrokenError as error:
        raise MasterKeyError(f"{path} is not the master key of {check}: put the right one back") from error
    return key, created


def _create(path: Path, check: MasterCheck) -> bool:
    if check.read() is not None:
        raise MasterKeyError(f"the master key {path} is missing, {check} needs it: put it back from its backup")
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flush_folder(path.parent.parent)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    return create_exclusively(path, os.urandom(KEY_BYTES), temporary=temporary)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MasterKeyError(f"the master key {path} is not a file")
    check_closed(path)
    with path.open("rb") as file:
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"{path} is no master key: it does not hold exactly {KEY_BYTES} octets")
    return key
