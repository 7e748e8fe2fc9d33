"""A message while it is handed over: a nameless file of its own beyond a few hundred KB, gone with its process."""

from os import SEEK_END
from pathlib import Path
from tempfile import SpooledTemporaryFile

from gateways.reception import TemporarilyUnavailableError
from infra.file_spool import full_disk_told_apart

IN_MEMORY_BYTES = 256 * 1024


class TemporaryMail:
    """The port `gateways.reception.Spool`. Nothing is flushed: whoever reads it makes it durable."""

    def __init__(self, folder: Path) -> None:
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115 - closed by `discard`
            IN_MEMORY_BYTES, dir=str(folder)
        )
        self._size = 0

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._size

    def write(self, data: bytes, /) -> None:
        """Take more content; see `Spool.write`."""
        try:
            with full_disk_told_apart():
                self._size += self._file.write(data)
        except OSError as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def read(self, start: int, size_bytes: int, /) -> bytes:
        """What was written from `start` on, at most so much of it."""
        try:
            self._file.seek(start)
            read = self._file.read(size_bytes)
            self._file.seek(0, SEEK_END)
            return read
        except OSError as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def discard(self) -> None:
        """Forget the content. Safe to repeat."""
        self._file.close()
