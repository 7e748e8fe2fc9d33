"""Generations of the search index: a folder each, and a marker that names the live one.

A rebuild fills a new generation beside the live one and then flips the marker, atomically; readers notice
(`live.LiveTantivyIndex`). An old generation is removed only afterwards, and readers that still hold it lose nothing:
what they have opened stays readable until they let it go.
"""

import os
import shutil
from pathlib import Path
from typing import Final

FIRST_GENERATION: Final = 1
_MARKER: Final = "live"


def live_generation(folder: Path) -> int:
    """The generation that the marker names; the first where nothing has been flipped yet."""
    try:
        return int((folder / _MARKER).read_text())
    except FileNotFoundError:
        return FIRST_GENERATION


def generation_folder(folder: Path, generation: int) -> Path:
    """Where a generation lies."""
    return folder / str(generation)


def generations(folder: Path) -> list[int]:
    """The generations that have a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.is_dir() and entry.name.isdigit())


def begin_generation(folder: Path) -> int:
    """A new, empty generation, above the live one and every other that was begun."""
    generation = max(live_generation(folder), *generations(folder), 0) + 1
    generation_folder(folder, generation).mkdir(parents=True)
    return generation


def flip(folder: Path, generation: int) -> None:
    """Make a generation the live one; atomic, durable on return. Raises: FileNotFoundError where it has no folder."""
    generation_folder(folder, generation).stat()
    fresh = folder / f"{_MARKER}.new"
    with fresh.open("w") as marker:
        marker.write(str(generation))
        marker.flush()
        os.fsync(marker.fileno())
    fresh.replace(folder / _MARKER)
    _sync_folder(folder)


def remove_generation(folder: Path, generation: int) -> None:
    """Remove a generation that is not live. Raises: ValueError for the live one."""
    if generation == live_generation(folder):
        raise ValueError("the live generation cannot be removed")
    shutil.rmtree(generation_folder(folder, generation))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
