"""What was fetched or built, once for all checkouts: whole or not there, and verified at every use."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.stack_servers.server import Place, StackError

SUMS = "SHA256SUMS"
_WAIT_S = 0.2


def made(place: Place, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for this recipe, now or some time before; it is never half of one.

    Another recipe (a new version) has a folder of its own. One whose files are not what they were is made again.

    Raises: StackError
    """
    cache = place.folders.cache
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = cache / f"{place.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    lock = os.open(cache / f"{place.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(lock, place)
        if not is_whole(target):
            shutil.rmtree(target, ignore_errors=True)
            _make(target, make)
    finally:
        os.close(lock)
    return target


def _wait_for(lock: int, place: Place) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if place.stop.wait(_WAIT_S):
                raise StackError("given up") from None
        else:
            return


def _make(target: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as unfinished:
        whole = Path(unfinished) / "whole"
        whole.mkdir(mode=0o755)
        make(whole)
        (whole / SUMS).write_text(sums(whole))
        whole.rename(target)


def is_whole(folder: Path) -> bool:
    """Whether the folder holds exactly what was put into it."""
    try:
        return (folder / SUMS).read_text() == sums(folder)
    except FileNotFoundError:
        return False


def sums(folder: Path) -> str:
    """The folder's files as `sha256sum` writes them, in order of their names, its own list left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS)
    return "".join(f"{_digest(path)}  {path.relative_to(folder)}\n" for path in files)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
