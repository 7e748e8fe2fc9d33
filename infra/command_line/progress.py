"""Progress of what takes long: a bar on a terminal, elsewhere plain lines, at most one in some seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Told = Callable[[int, int], None]
"""Takes (done, of how many); 0 of how many: that is not known."""

PLAIN_EVERY_S = 5.0


@contextmanager
def progress(what: str, *, plain_every_s: float = PLAIN_EVERY_S) -> Iterator[Told]:
    """Shows on standard error how `what` goes on."""
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total or None)
    else:
        yield _plain(what, plain_every_s)


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)


def _plain(what: str, every_s: float) -> Told:
    shown_at = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= every_s:
            shown_at = time.monotonic()
            sys.stderr.write(f"{what}: {done}{f' of {total}' if total else ''}\n")

    return told
