"""What lies in a backup's folder: `manifest.json`, which names everything else, and is written last.

`database-….dump` (pg_dump's custom format), `files-….jsonl` (a line for each file, with its digest), `blobs/`, `keys/`
(wrapped; `master.key` only where it was asked for). A folder whose manifest is missing is no backup; while the next
backup is made into it, the last one stands.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from infra.durable_files import flush, flush_folder
from infra.operator_errors import OperatorError

MANIFEST = "manifest.json"
FORMAT = 1
_CHUNK = 2**20


class BackupError(OperatorError):
    """The backup cannot be made, or not be used; one line says why."""


class FileSum(msgspec.Struct, frozen=True):
    """A file below the backup's folder."""

    path: str
    size: int
    sha256: str


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """A blob (`blobs/…`) or key file (`keys/…`): its name, where it lies in the backup, and what it was taken from."""

    name: str
    path: str
    size: int
    mtime_ns: int
    sha256: str

    @property
    def sum(self) -> FileSum:
        """As a file of the backup."""
        return FileSum(self.path, self.size, self.sha256)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup."""

    format: int
    backup_id: str
    made_at: str
    database: FileSum
    files: FileSum
    master_key: FileSum | None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished backup.

    Raises:
        BackupError: there is none, or one of a newer version.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{folder} holds no finished backup: {MANIFEST} is missing") from None
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / MANIFEST} is damaged: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} was made by a newer version: use that")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the backup stand: atomic, durable on return."""
    temporary = folder / f"{MANIFEST}.part"
    with temporary.open("wb") as file:
        file.write(json.dumps(msgspec.to_builtins(manifest), indent=1).encode())
        file.flush()
        flush(file.fileno())
    temporary.replace(folder / MANIFEST)
    flush_folder(folder)


def listed_files(folder: Path, manifest: Manifest) -> Iterator[Listed]:
    """The blobs and key files of a backup."""
    with (folder / manifest.files.path).open("rb") as lines:
        for line in lines:
            yield msgspec.json.decode(line, type=Listed)


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def file_sum(folder: Path, path: Path) -> FileSum:
    """What a manifest says of a file below the folder."""
    return FileSum(str(path.relative_to(folder)), path.stat().st_size, digest(path))


def require_intact(folder: Path, expected: FileSum) -> None:
    """The file is there as it was written.

    Raises:
        BackupError: it is not.
    """
    path = inside(folder, expected.path)
    try:
        intact = path.stat().st_size == expected.size and digest(path) == expected.sha256
    except FileNotFoundError:
        raise BackupError(f"{path} is missing: the backup cannot be restored") from None
    if not intact:
        raise BackupError(f"{path} is not as it was written: the backup cannot be restored")


def inside(folder: Path, relative: str) -> Path:
    """A path of the manifest below the folder.

    Raises:
        BackupError: it leads elsewhere.
    """
    if relative.startswith("/") or ".." in relative.split("/"):
        raise BackupError(f"the backup names {relative[:200]!r}, which is not below its folder")
    return folder / relative
