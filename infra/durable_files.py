"""What it takes that a file is still there after a power cut: flush the file, then the folder that names it."""

import fcntl
import os
import time
from pathlib import Path

_FULL_FLUSH: int | None = getattr(fcntl, "F_FULLFSYNC", None)


def flush(descriptor: int) -> None:
    """Return once what the descriptor's file or folder holds is on the medium (on macOS fsync alone is not enough)."""
    if _FULL_FLUSH is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, _FULL_FLUSH)


def flush_folder(folder: str | Path) -> None:
    """Make the names in a folder durable: those added, replaced and taken away."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of `data`, in as many calls as the system takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def make_folders(root: Path, relative: str) -> Path:
    """The folder `relative` (may be empty) below `root`, made where missing, mode 0700, every level durable.

    A level that stands already is flushed too: whoever made it may not have come so far.
    """
    folder = root
    for part in filter(None, relative.split("/")):
        parent, folder = folder, folder / part
        folder.mkdir(mode=0o700, exist_ok=True)
        flush_folder(parent)
    return folder


def create_exclusively(path: Path, data: bytes, *, temporary: Path) -> bool:
    """Whether `path` was made now, mode 0600 and holding `data`; one that stood there is left as it is.

    Either way it is durable on return, and nobody ever sees half of it. `temporary` is a free name on the same disk.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            write_whole(descriptor, data)
            flush(descriptor)
        finally:
            os.close(descriptor)
        os.link(temporary, path)
        made = True
    except FileExistsError:
        made = False
    finally:
        temporary.unlink()
    flush_folder(path.parent)
    return made


def remove_old_files(folder: Path, *, age_s: float) -> None:
    """Remove the files of a folder of temporary ones that nobody wrote to for `age_s` seconds."""
    for path in list(folder.iterdir()):
        try:
            if path.stat().st_mtime < time.time() - age_s:
                path.unlink()
        except FileNotFoundError:
            continue  # another process that starts removed it
