"""Where everything lies: one folder for data, one for what was fetched and built, which all checkouts share."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Folders:
    """`data` holds a folder a server, the remembered ports and the lock; removing it forgets everything."""

    data: Path
    cache: Path

    def of(self, server: str) -> Path:
        """The folder of one server."""
        return self.data / server

    @property
    def ports(self) -> Path:
        """Which ports each server was given."""
        return self.data / "ports.json"


def folders(environ: Mapping[str, str]) -> Folders:
    """The folders that `STACK_DATA` and `STACK_CACHE` name, else `var/stack` of the checkout and the user's cache."""
    caches = Path(environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Folders(
        data=Path(environ.get("STACK_DATA") or ROOT / "var" / "stack").absolute(),
        cache=Path(environ.get("STACK_CACHE") or caches / "ledgermail-stack").absolute(),
    )


@contextmanager
def alone(data: Path) -> Iterator[int]:
    """Nobody else starts or stops servers of this folder meanwhile; gives the lock's descriptor.

    A process that is being launched inherits it until it is known, so that whoever comes next knows it too.
    """
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def write_closed(path: Path, text: str) -> None:
    """Write a file whole, readable by its owner alone: it may hold a password."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
