"""The command behind `scripts/bench`."""

import argparse
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from infra.seldom_collecting import collect_seldom
from scripts.benchmarks import flush_time
from scripts.benchmarks.report import Figure, table, write_json
from scripts.benchmarks.rows import PROFILES, Rows
from scripts.benchmarks.sizes import FULL, QUICK, Sizes
from scripts.benchmarks.stage import Stage, say, stage


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table; 0 when every goal that was measured is met."""
    given = _parsed(arguments)
    sizes, rows = QUICK if given.quick else FULL, PROFILES[given.profile]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _allow_many_files()
    collect_seldom()  # as each process of the service does: what is measured in this process is theirs
    figures: list[Figure] = []
    settings: dict[str, Any] = {"profile": given.profile, **_machine(sizes)}
    interrupted = False
    began = time.monotonic()
    try:
        with stage(given.folder.absolute(), sizes, with_servers=given.profile == "server") as where:
            settings |= {"folder": str(given.folder), "postgres": where.settings()}
            figures += flush_time.figures(where.folder, sizes.flushes, when="before")
            for name in given.only or rows:
                _measure(name, rows, where, figures)
            figures += flush_time.figures(where.folder, sizes.flushes, when="after")
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted: what was measured so far")
    settings["seconds"] = round(time.monotonic() - began, 1)
    settings["interrupted"] = interrupted
    _print(settings, figures)
    if given.json is not None:
        write_json(given.json, settings, figures)
    return 130 if interrupted else int(any(figure.met is False for figure in figures))


def _measure(name: str, rows: Rows, where: Stage, figures: list[Figure]) -> None:
    """One row; what goes wrong in it is shown in its place and keeps no other from being measured."""
    measure, what = rows[name]
    say(f"{name}: {what}")
    began = time.monotonic()
    try:
        figures.extend(measure(where))
    except Exception as error:  # noqa: BLE001 - shown in the table
        say(f"{name}: {_first(error)!r}")
        shown = _first(error)
        figures.append(Figure(row=name, name="not measured", met=False, note=f"{type(shown).__name__}: {shown}"))
    say(f"{name}: took {time.monotonic() - began:.0f} s")


def _first(error: BaseException) -> BaseException:
    """What really went wrong where tasks ran side by side."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    told = "\n\n".join(
        f"rows of the profile {profile}:\n" + "\n".join(f"  {name:<10} {what}" for name, (_, what) in rows.items())
        for profile, rows in PROFILES.items()
    )
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure what the design promises, each row beside its peer.",
        epilog=f"{told}\n\nHow to read them: scripts/benchmarks/README.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, two minutes: says whether something broke")
    parser.add_argument(
        "--profile", choices=list(PROFILES), default="embedded", help="server: beside the real servers of scripts/stack"
    )
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows, in this order")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings and figures there as well")
    parser.add_argument(
        "--folder", type=Path, default=Path("var"), help="the data folder is made below it: measures that disk"
    )
    given = parser.parse_args(list(arguments))
    for name in given.only or ():
        if name not in PROFILES[given.profile]:
            parser.error(f"the profile {given.profile} has no row {name!r}")
    return given


def _machine(sizes: Sizes) -> dict[str, Any]:
    return {
        "sizes": {name: getattr(sizes, name) for name in sizes.__struct_fields__},
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def _print(settings: dict[str, Any], figures: Sequence[Figure]) -> None:
    postgres = settings.get("postgres", {})
    shown = [
        f"{settings['profile']} profile, {settings['sizes']['name']} run, {settings['seconds']} s, {settings['at']},"
        f" {settings['cores']} cores,"
        f" load before {settings['load_before']:.1f}, Python {settings['python']}",
        "Postgres: " + ", ".join(f"{name}={value}" for name, value in postgres.items()),
        "",
        table(figures),
        "",
    ]
    sys.stdout.write("\n".join(shown))


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """End what is measured; cleaning up is not interrupted again."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
