"""The content of one object while it arrives: gathered in memory, then in a temporary file beside the objects."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from gateways.blobs import StorageFullError
from infra.durable_files import flush, write_whole

BUFFER_BYTES = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def full_disk_told_apart() -> Iterator[None]:
    """Turns "no space left" and "quota exceeded" into StorageFullError; every other error passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(error.strerror) from error
        raise


class FileSpool:
    """A spool whose temporary file is made when the first buffer is full, or at the commit."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / secrets.token_hex(16)
        self._descriptor: int | None = None
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._discarded = False
        self.committed_as: Path | None = None
        """Where the content lies as an object, once it does."""

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of the octets written so far."""
        return self._digest.hexdigest()

    def write(self, data: bytes, /) -> None:
        """Take more content.

        Raises: StorageFullError; the spool is then discarded. ValueError after a commit or a discard.
        """
        self._check_open()
        self._buffer.append(data)
        self._buffered += len(data)
        self._size += len(data)
        self._digest.update(data)
        if self._buffered >= BUFFER_BYTES:
            self._drain()

    def read(self, start: int, size_bytes: int, /) -> bytes:
        """What was written from `start` on, at most so much of it.

        Raises: OSError; ValueError after a commit or a discard.
        """
        self._check_open()
        in_file = self._size - self._buffered
        if start < in_file:
            assert self._descriptor is not None
            return os.pread(self._descriptor, min(size_bytes, in_file - start), start)
        return b"".join(self._buffer)[start - in_file : start - in_file + size_bytes]

    def become(self, target: Path) -> None:
        """Flush the content and give it its final name, whose folder is the caller's to flush.

        Raises: StorageFullError, FileNotFoundError when the folder is missing (then it may be tried again).
        """
        self._check_open()
        self._drain()
        assert self._descriptor is not None
        with self._discarded_when_full():
            flush(self._descriptor)
            os.replace(self._path, target)
        self._close()
        self.committed_as = target

    def discard(self) -> None:
        """Forget the content and free its room. Safe to repeat; after a commit it does nothing."""
        if self.committed_as is not None or self._discarded:
            return
        self._discarded = True
        self._buffer.clear()
        if self._descriptor is not None:
            self._close()
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()

    def _check_open(self) -> None:
        if self._discarded or self.committed_as is not None:
            raise ValueError("the spool was committed or discarded")

    def _drain(self) -> None:
        with self._discarded_when_full():
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            if self._buffer:
                write_whole(self._descriptor, b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def _discarded_when_full(self) -> Iterator[None]:
        try:
            with full_disk_told_apart():
                yield
        except StorageFullError:
            self.discard()
            raise
