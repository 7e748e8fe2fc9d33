"""Several files made durable together: all written, then flushed side by side, then each given its final name."""

import os
import secrets
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path

from infra.durable_files import flush, write_whole


def replace_all(contents: Mapping[str, bytes], *, temporary: Path, flushing: Executor) -> None:
    """Make each path's file hold its content, whole or not at all; the paths' folders are the caller's to flush.

    `temporary` is a folder on the same disk. The first flush takes most of the others' journal with it, so the rest
    runs side by side behind it. Where it raises, any of the paths may have its new content.

    Raises: OSError; FileNotFoundError when a path's folder is missing.
    """
    unnamed: dict[str, str] = {}
    descriptors: list[int] = []
    try:
        for target, content in contents.items():
            path = f"{temporary}/{secrets.token_hex(16)}"
            descriptors.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            unnamed[target] = path
            write_whole(descriptors[-1], content)
        _flush_all(descriptors, flushing)
        for target in contents:
            os.replace(unnamed[target], target)
            del unnamed[target]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        for path in unnamed.values():
            os.unlink(path)


def _flush_all(descriptors: list[int], flushing: Executor) -> None:
    flush(descriptors[0])
    for _done in flushing.map(flush, descriptors[1:]):
        pass
