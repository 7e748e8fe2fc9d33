"""A message while it is handed over: a nameless file of its own beyond a few hundred KB, gone with its process."""

from pathlib import Path
from tempfile import SpooledTemporaryFile

from gateways.reception import TemporarilyUnavailableError
from infra.file_spool import full_disk_told_apart

IN_MEMORY_BYTES = 256 * 1024


class TemporaryMail:
    """The port `gateways.submission.intake.WrittenMail`. Nothing is flushed: whoever reads it makes it durable."""

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

    def read(self) -> bytes:
        """All that was written."""
        try:
            self._file.seek(0)
            return self._file.read()
        except OSError as error:
            raise TemporarilyUnavailableError(str(error)) from error

    def discard(self) -> None:
        """Forget the content. Safe to repeat."""
        self._file.close()
