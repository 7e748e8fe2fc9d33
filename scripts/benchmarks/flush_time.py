"""How long the disk of the data folder takes to flush what was appended to a file."""

import os
import time
from pathlib import Path

from scripts.benchmarks.report import Figure, absolute, ms, p50, p99

APPENDED_BYTES = 16_384


def flush_times_s(folder: Path, count: int) -> list[float]:
    """Append 16 KB and fsync, `count` times, in a file of its own."""
    path = folder / "flush-time"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    times, block = [], os.urandom(APPENDED_BYTES)
    try:
        for _ in range(count):
            began = time.perf_counter()
            os.write(descriptor, block)
            os.fsync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return times


def figures(folder: Path, count: int, *, when: str) -> list[Figure]:
    """The flush time, to be read beside every other figure."""
    times = flush_times_s(folder, count)
    return [
        absolute("disk", f"append 16 KB and fsync, p50 ({when})", ms(p50(times)), "ms"),
        absolute("disk", f"append 16 KB and fsync, p99 ({when})", ms(p99(times)), "ms"),
    ]
