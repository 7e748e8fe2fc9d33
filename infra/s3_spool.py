"""The content of one object on its way to S3: in memory, and beyond 256 KB in a temporary file without a name."""

import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from gateways.blobs import StorageFullError
from infra.file_spool import full_disk_told_apart

MEMORY_BYTES = 256 * 1024


class S3Spool:
    """A spool whose content is nowhere but in this process until it is an object: a crash leaves nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=str(folder))  # noqa: SIM115 - closed by `discard`
        self._size = 0
        self._digest = hashlib.sha256()
        self.committed_as: str | None = None
        """The object that it became, once it has."""

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of the octets written so far."""
        return self._digest.hexdigest()

    @property
    def digest(self) -> bytes:
        """The digest of the octets written so far."""
        return self._digest.digest()

    def write(self, data: bytes, /) -> None:
        """Take more content.

        Raises: StorageFullError; the spool is then discarded. ValueError after a commit or a discard.
        """
        self._check_open()
        try:
            with full_disk_told_apart():
                self._file.write(data)
        except StorageFullError:
            self.discard()
            raise
        self._size += len(data)
        self._digest.update(data)

    def read(self, start: int, size_bytes: int, /) -> bytes:
        """What was written from `start` on, at most so much of it.

        Raises: OSError; ValueError after a commit or a discard.
        """
        self._check_open()
        self._file.seek(start)
        try:
            return self._file.read(size_bytes)
        finally:
            self._file.seek(0, os.SEEK_END)

    def content(self) -> IO[bytes]:
        """The content, from its beginning.

        Raises: StorageFullError; the spool is then discarded. ValueError after a discard.
        """
        self._check_open()
        try:
            with full_disk_told_apart():
                self._file.seek(0)  # writes out what Python still holds
        except StorageFullError:
            self.discard()
            raise
        return cast(IO[bytes], self._file)

    def committed(self, name: str) -> None:
        """It is this object now; its own room is free."""
        self.committed_as = name
        self._file.close()

    def discard(self) -> None:
        """Forget the content and free its room. Safe to repeat; after a commit it does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()

    def _check_open(self) -> None:
        if self._file.closed:
            raise ValueError("the spool was committed or discarded")
