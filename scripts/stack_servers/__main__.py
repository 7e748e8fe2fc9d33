"""`scripts/stack`: up, down, status, env."""

import argparse
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from scripts.stack_servers.clamav import ClamAv
from scripts.stack_servers.folders import folders
from scripts.stack_servers.kafka import Kafka
from scripts.stack_servers.opensearch import OpenSearch
from scripts.stack_servers.postgres import Postgres
from scripts.stack_servers.processes import running
from scripts.stack_servers.redis import Redis
from scripts.stack_servers.rspamd import Rspamd
from scripts.stack_servers.s3 import S3
from scripts.stack_servers.server import Server, StackError
from scripts.stack_servers.stack import Stack

SERVERS: tuple[Server, ...] = (Postgres(), Kafka(), OpenSearch(), S3(), Redis(), ClamAv(), Rspamd())
LOG_LINES = 20
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where everything that was asked for is so."""
    asked = _parser().parse_args(arguments)
    names = asked.names or [server.name for server in SERVERS]
    stack = Stack(folders(os.environ), SERVERS, _Saying())
    try:
        return {"up": up, "down": down, "status": status, "env": env}[asked.what](stack, names)
    except (StackError, OSError) as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1


def up(stack: Stack, names: Sequence[str]) -> int:
    """Start what is missing. Ctrl-C gives up what is not ready yet."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _giving_up(stack.stop))
    failures = stack.up(names)
    for name, error in failures.items():
        _show(name, error)
    if stack.stop.is_set():
        return INTERRUPTED
    return 1 if failures else 0


def down(stack: Stack, names: Sequence[str]) -> int:
    """End what was started here."""
    left = stack.down(names)
    for name in left:
        sys.stderr.write(f"{name}: does not end\n")
    return 1 if left else 0


def status(stack: Stack, names: Sequence[str]) -> int:
    """A line a server; 1 where one does not run."""
    stopped = 0
    for server in stack.servers:
        if server.name in names:
            place = stack.place(server)
            who = running(place.record)
            stopped += who is None
            ports = ", ".join(f"{purpose} {port}" for purpose, port in place.ports.items())
            state = f"runs as process {who.pid}; {ports}; log {place.log}" if who else "does not run"
            sys.stdout.write(f"{server.name:<10}  {state}\n")
    return 1 if stopped else 0


def env(stack: Stack, names: Sequence[str]) -> int:
    """`NAME=value` lines for a shell, of the servers that run."""
    for name, value in stack.variables(names).items():
        sys.stdout.write(f"{name}={shlex.quote(value)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    known = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(
        prog="scripts/stack",
        description="Real servers on loopback without Docker: everything lies below STACK_DATA (var/stack) and,"
        " fetched or built once for all checkouts, STACK_CACHE (~/.cache/ledgermail-stack).",
    )
    parser.add_argument("what", choices=["up", "down", "status", "env"])
    parser.add_argument(
        "names", nargs="*", type=_known(known), metavar="SERVER", help=f"all, or some of: {', '.join(known)}"
    )
    return parser


def _giving_up(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def give_up(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # asked again, nothing is waited for
        sys.stderr.write("giving up what is not ready yet\n")
        stop.set()

    return give_up


def _show(name: str, error: StackError) -> None:
    sys.stderr.write(f"{name}: {error}\n")
    if error.log is not None and error.log.exists():
        lines = error.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        sys.stderr.write("\n".join([f"the end of {error.log}:", *(f"    {line}" for line in lines), ""]))


def _known(names: Sequence[str]) -> Callable[[str], str]:
    def server(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return server


class _Saying:
    """Lines on standard error, whole ones also from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def __call__(self, server: str, what: str) -> None:
        with self._lock:
            sys.stderr.write(f"{time.monotonic() - self._began:6.1f} s  {server:<10}  {what}\n")
            sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
