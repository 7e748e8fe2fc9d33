"""The master key that wraps all mailbox keys: made on first start, refused when open to others or not the right one."""

import os
import secrets
import stat
from pathlib import Path

from infra.durable_files import create_exclusively, flush_folder
from infra.keys import MasterKeyError
from infra.sealing import KEY_BYTES, SealBrokenError, open_sealed, seal

_CHECK = b"ledgermail-master-1"
CHECK_FILE = "master.check"
"""Lies with the wrapped keys; opens under their master key only."""


def check_closed(path: Path) -> None:
    """Refuse a file or folder that group or others could read or write.

    Raises: MasterKeyError
    """
    mode = path.stat().st_mode
    if mode & 0o077:
        right = "700" if stat.S_ISDIR(mode) else "600"
        raise MasterKeyError(f"{path} is open to other users: chmod {right} {path}")


def open_master_key(path: Path, keys_folder: Path, temporary: Path) -> tuple[bytes, bool]:
    """The master key of `path` and whether it was made now; `temporary` is a folder for unfinished files.

    Raises: MasterKeyError: it is missing while keys wrapped by it are there, is open to others, is no key or another.
    """
    try:
        created = not path.exists() and _create(path, keys_folder)
        key = _read(path)
    except OSError as error:
        raise MasterKeyError(f"the master key {path} cannot be read: {error.strerror}") from error
    check = keys_folder / CHECK_FILE
    if not check.exists():
        create_exclusively(check, seal(key, _CHECK, _CHECK), temporary=temporary / secrets.token_hex(16))
    try:
        open_sealed(key, check.read_bytes(), _CHECK)
    except SealBrokenError as error:
        raise MasterKeyError(f"{path} is not the master key of {keys_folder}: put the right one back") from error
    return key, created


def _create(path: Path, keys_folder: Path) -> bool:
    if (keys_folder / CHECK_FILE).exists():
        raise MasterKeyError(f"the master key {path} is missing, {keys_folder} needs it: put it back from its backup")
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
