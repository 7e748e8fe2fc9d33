"""The blob store that is a folder: temporary name, flush, rename, flush of the folder, shared by all who wait.

Temporary files lie in `.tmp` of the same folder, whose name no object can have.
"""

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from gateways.blobs import BlobMissingError, BlobNameInvalidError, Spool, StorageFullError, checked_name, read_or_error
from infra.durable_files import flush_folder, make_folders, remove_old_files
from infra.file_batch import replace_all
from infra.file_spool import FileSpool, full_disk_told_apart
from infra.shared_flush import SharedFlush

CHUNK_BYTES = 256 * 1024
TEMPORARY_AGE_S = 86_400
_KNOWN_FOLDERS = 4096
_FLUSHES_SIDE_BY_SIDE = 8
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FileBlobs:
    """Objects as files below `folder`, which is made (mode 0700) where missing.

    Starting removes what interrupted writers left more than a day ago. Any number of processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._flushes: dict[str, SharedFlush] = {}
        self._flushes_lock = threading.Lock()
        self._flushing = ThreadPoolExecutor(_FLUSHES_SIDE_BY_SIDE, thread_name_prefix="flushes")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flush_folder(folder.parent)
        self._temporary = make_folders(folder, ".tmp")
        remove_old_files(self._temporary, age_s=TEMPORARY_AGE_S)

    def spool(self) -> FileSpool:
        """Room for the content of one more object."""
        return FileSpool(self._temporary)

    def commit(self, spool: Spool, name: str) -> None:
        """Make the spool's content the object `name`; see `Blobs.commit`."""
        target = self._path(name)
        if not isinstance(spool, FileSpool):
            raise TypeError("only a spool of this store can be committed to it")
        if spool.committed_as not in (None, target):
            raise ValueError("the spool was committed under another name")
        try:
            with full_disk_told_apart():
                self._rename(spool, target, name)
                self._folder_flush(name).wait()
        except StorageFullError:
            spool.discard()
            raise

    def put(self, name: str, data: bytes) -> None:
        """Make `data` the object `name`, with the guarantees of `commit`."""
        with self.spool() as spool:
            spool.write(data)
            self.commit(spool, name)

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """Make each content the object of its name; see `Blobs.put_all`."""
        if not objects:
            return
        with full_disk_told_apart():
            try:
                self._replace_all(objects)
            except FileNotFoundError:
                self._forget_folders()
                self._replace_all(objects)

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The octets from `start`, at most `length`; raises BlobMissingError."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length are not negative")
        try:
            with self._path(name).open("rb") as file:
                file.seek(start)
                return file.read() if length is None else file.read(length)
        except _ABSENT as error:
            raise BlobMissingError(name) from error

    def read_all(self, names: Collection[str]) -> Mapping[str, bytes | Exception]:
        """What each object holds; see `Blobs.read_all`."""
        return {name: read_or_error(self, name) for name in names}

    def open(self, name: str) -> Iterator[bytes]:
        """The whole object in chunks of 256 KB; raises BlobMissingError at the call."""
        chunks = self._chunks(name)
        next(chunks)
        return chunks

    def size(self, name: str) -> int:
        """Octets of the object; raises BlobMissingError."""
        path = self._path(name)
        try:
            if path.is_dir():
                raise BlobMissingError(name)
            return path.stat().st_size
        except _ABSENT as error:
            raise BlobMissingError(name) from error

    def exists(self, name: str) -> bool:
        """Whether the object is there durably; see `Blobs.exists`."""
        if not self._path(name).is_file():
            return False
        self._folder_flush(name).wait()
        return True

    def delete(self, name: str) -> None:
        """Take the object away, durably. Safe to repeat."""
        try:
            self._path(name).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        self._folder_flush(name).wait()

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin with `prefix`, in no order."""
        folder, _, _ = prefix.rpartition("/")
        if folder and any(part in ("", ".", "..") for part in folder.split("/")):
            return
        for name in _names_below(self._root / folder, f"{folder}/" if folder else ""):
            if name.startswith(prefix) and _is_valid(name):
                yield name

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)

    def _replace_all(self, objects: Mapping[str, bytes]) -> None:
        paths = {str(self._path(name)): content for name, content in objects.items()}
        folder_flushes = [self._folder_flush(name) for name in objects]
        replace_all(paths, temporary=self._temporary, flushing=self._flushing)
        for folder_flush in dict.fromkeys(folder_flushes):
            folder_flush.wait()

    def _rename(self, spool: FileSpool, target: Path, name: str) -> None:
        if spool.committed_as is not None:
            return
        self._folder_flush(name)
        try:
            spool.become(target)
        except FileNotFoundError:
            self._forget_folders()
            self._folder_flush(name)
            spool.become(target)

    def _folder_flush(self, name: str) -> SharedFlush:
        """The flush of the object's folder; the first call for a folder makes it and its parents durable."""
        folder = name.rpartition("/")[0]
        known = self._flushes.get(folder)
        if known is not None:
            return known
        path = make_folders(self._root, folder)
        with self._flushes_lock:
            if len(self._flushes) >= _KNOWN_FOLDERS:
                self._flushes.clear()
            return self._flushes.setdefault(folder, SharedFlush(partial(flush_folder, path)))

    def _forget_folders(self) -> None:
        with self._flushes_lock:
            self._flushes.clear()

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            file = self._path(name).open("rb", buffering=0)
        except _ABSENT as error:
            raise BlobMissingError(name) from error
        with file:
            yield b""
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _is_valid(name: str) -> bool:
    try:
        checked_name(name)
    except BlobNameInvalidError:
        return False
    return True


def _names_below(folder: Path, prefix: str) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _names_below(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name
