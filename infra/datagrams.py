"""Datagrams between the processes of one machine: whoever listens binds a socket in a folder, the others find it there.

What is said is a hint. It reaches nobody who is not the service's user or root: the folder's mode is 0700.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.ids import new_id

MAX_BYTES = 8_000
GATHERED = 500
_SUFFIX = ".socket"


class Ear:
    """One who listens for one kind of datagram."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Raises: OSError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._socket = _made()
        self._path = folder / f"{kind}-{new_id('e')}{_SUFFIX}"
        with _entered(folder) as entered:
            self._socket.bind(f"{entered}/{self._path.name}")

    def fileno(self) -> int:
        """What can be polled."""
        return self._socket.fileno()

    def heard(self, timeout_s: float) -> list[bytes]:
        """What has come, some datagrams at once; nothing, if none comes in time."""
        come: list[bytes] = []
        self._socket.settimeout(timeout_s)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            come.append(self._socket.recv(MAX_BYTES))
            self._socket.settimeout(0)
            while len(come) < GATHERED:
                come.append(self._socket.recv(MAX_BYTES))
        return come

    def close(self) -> None:
        """Listen no more."""
        self._path.unlink(missing_ok=True)
        self._socket.close()


class Mouth:
    """One who speaks to all ears of one kind. Safe to share between threads."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = f"{kind}-"
        self._socket = _made()

    def say(self, datagrams: Sequence[bytes]) -> bool:
        """Send these to all; false where nobody listens, or somebody could not take them. Never waits."""
        try:
            with _entered(self._folder) as entered:
                names = [name for name in os.listdir(entered) if name.startswith(self._kind)]
                heard = [self._sent(f"{entered}/{name}", datagrams) for name in names]
        except OSError:  # no folder: nobody has ever listened, or it is not ours to enter
            return False
        return any(heard) and None not in heard

    def _sent(self, path: str, datagrams: Sequence[bytes]) -> bool | None:
        """Whether it took them; false where nobody has that socket any more, none where it is full."""
        try:
            for datagram in datagrams:
                self._socket.sendto(datagram, path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # its process was killed; a name is never used twice
            return False
        except OSError:
            return None
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _made() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


@contextlib.contextmanager
def _entered(folder: Path) -> Iterator[str]:
    """The folder under a name so short that a socket's path in it fits, however long its own is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
