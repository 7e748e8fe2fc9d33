"""Making a backup while the service runs: the database as of one moment, then the blobs, then the keys.

In this order nothing that the database names is missing: what was delivered before the dump lies in the blobs after it,
because the collector is held off from before the dump until the end. Mail objects come before attachments, since an
object is given holes only once its attachments lie there. Keys come last: whoever was erased meanwhile stays erased.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import psycopg

from domain.ids import new_id
from domain.times import rfc3339
from infra.backup_files import (
    FORMAT,
    MANIFEST,
    BackupError,
    FileSum,
    Listed,
    Manifest,
    digest,
    file_sum,
    listed_files,
    read_manifest,
    write_manifest,
)
from infra.blob_collector import HELD_OFF_BY
from infra.durable_files import flush
from infra.postgres_tools import dump

Progress = Callable[[int, int], None]
"""Told (files taken, 0)."""


class BackedUp(msgspec.Struct):
    """What a backup came to: files in it, how many of them were not in the one before, and their bytes."""

    files: int = 0
    new_files: int = 0
    new_bytes: int = 0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What is backed up. `master_key_file` only where it shall lie in the backup."""

    conninfo: str
    blobs: Path
    keys: Path
    master_key_file: Path | None = None


def back_up(source: Source, folder: Path, progress: Progress = lambda _done, _all: None) -> BackedUp:
    """Make a backup into the folder, taking over what lies there unchanged from the one before.

    Interrupted, the one before stands; call again to go on.

    Raises:
        BackupError: another backup is under way, or the database cannot be dumped.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    backup_id = new_id("b")
    with psycopg.connect(source.conninfo, autocommit=True) as holding:
        if holding.execute("SELECT pg_try_advisory_lock(%s)", (HELD_OFF_BY,)).fetchone() != (True,):
            holding.execute("SET lock_timeout = '30s'")
            _wait_for_collector(holding)
        database = folder / f"database-{backup_id}.dump"
        dump(source.conninfo, database)
        taking = _Taking(folder, progress)
        files = folder / f"files-{backup_id}.jsonl"
        with files.open("wb") as lines:
            taking.all(source, lines)
            lines.flush()
            flush(lines.fileno())
        master_key = _take_master_key(source, folder)
        os.sync()
        _require_held(holding)
        _finish(folder, backup_id, database, files, master_key)
    taking.remove_others(files)
    return taking.done


def _wait_for_collector(holding: psycopg.Connection) -> None:
    try:
        holding.execute("SELECT pg_advisory_lock(%s)", (HELD_OFF_BY,))
    except psycopg.errors.LockNotAvailable as error:
        raise BackupError("another backup is under way") from error


def _require_held(holding: psycopg.Connection) -> None:
    """The collector was held off until now: with its connection the lock would have gone."""
    try:
        holding.execute("SELECT 1")
    except psycopg.OperationalError as error:
        raise BackupError(f"the database went away, so blobs may be missing; call again: {error}") from error


def _finish(folder: Path, backup_id: str, database: Path, files: Path, master_key: FileSum | None) -> None:
    manifest = Manifest(
        format=FORMAT,
        backup_id=backup_id,
        made_at=rfc3339(time.time_ns() // 1_000_000),
        database=file_sum(folder, database),
        files=file_sum(folder, files),
        master_key=master_key,
    )
    write_manifest(folder, manifest)


def _take_master_key(source: Source, folder: Path) -> FileSum | None:
    if source.master_key_file is None:
        return None
    path = folder / "master.key"
    temporary = folder / "master.key.part"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.master_key_file.read_bytes())
        file.flush()
        flush(file.fileno())
    temporary.replace(path)
    return file_sum(folder, path)


class _Taking:
    """Takes files over into the folder; knows what the backup before has of them."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._before: dict[str, Listed] = {}
        if (folder / MANIFEST).exists():
            self._before = {one.name: one for one in listed_files(folder, read_manifest(folder))}
        self._kept: set[str] = set()
        self.done = BackedUp()

    def all(self, source: Source, lines: IO[bytes]) -> None:
        """Blobs, then keys, then tombstones."""
        for name in _blob_names(source.blobs):
            self._take(source.blobs / name, f"blobs/{name}", lines, link=True)
        for name in _key_names(source.keys):
            self._take(source.keys / name, f"keys/{name}", lines, link=False)

    def _take(self, path: Path, name: str, lines: IO[bytes], *, link: bool) -> None:
        try:
            listed = self._unchanged(path, name) or self._copied(path, name, link=link)
        except FileNotFoundError:
            return  # an upload that was used up, or the key of a mailbox that was erased meanwhile
        lines.write(msgspec.json.encode(listed) + b"\n")
        self._kept.add(listed.path)
        self.done.files += 1
        self._progress(self.done.files, 0)

    def _unchanged(self, path: Path, name: str) -> Listed | None:
        before = self._before.get(name)
        status = path.stat()
        if before is None or (before.size, before.mtime_ns) != (status.st_size, status.st_mtime_ns):
            return None
        return before if (self._folder / before.path).exists() else None

    def _copied(self, path: Path, name: str, *, link: bool) -> Listed:
        """A copy, or a link where that can be: objects are replaced whole, never written to."""
        temporary = self._folder / f"{name}.part"
        temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        if not (link and _linked(path, temporary)):
            shutil.copy2(path, temporary)
        status, sha256 = temporary.stat(), digest(temporary)
        before = self._before.get(name)
        place = f"{name}.{sha256[:16]}" if before is not None and before.path == name else name
        temporary.replace(self._folder / place)
        self.done.new_files += 1
        self.done.new_bytes += status.st_size
        return Listed(name, place, status.st_size, status.st_mtime_ns, sha256)

    def remove_others(self, files: Path) -> None:
        """Remove what only earlier or interrupted backups named: the keys of those erased since, above all."""
        for kind in ("keys", "blobs"):
            for path in _files_below(self._folder / kind):
                if str(path.relative_to(self._folder)) not in self._kept:
                    path.unlink()
        backup_id = files.stem.partition("-")[2]
        for path in (*self._folder.glob("database-*.dump"), *self._folder.glob("files-*.jsonl")):
            if backup_id not in path.name:
                path.unlink()


def _linked(path: Path, target: Path) -> bool:
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        return False
    return True


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _folders, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _blob_names(blobs: Path) -> Iterator[str]:
    """Names of objects, attachments last."""
    with contextlib.suppress(FileNotFoundError):
        tops = sorted(entry.name for entry in blobs.iterdir() if not entry.name.startswith("."))
        for top in sorted(tops, key=lambda name: name == "attachments"):
            yield from (str(path.relative_to(blobs)) for path in _files_below(blobs / top))


def _key_names(keys: Path) -> Iterator[str]:
    """Names of wrapped keys, tombstones last; never the master key itself."""
    found = [str(path.relative_to(keys)) for path in _files_below(keys)]
    wanted = [name for name in found if name.endswith(".key") and "/" in name and not name.startswith(".")]
    yield from sorted(wanted)
    yield from (name for name in found if name == "master.check")
    yield from sorted(f"tombstones/{name}" for name in os.listdir(keys / "tombstones"))
