"""Which port each server listens on: free ones, remembered, so that addresses stay the same from start to start."""

import json
import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.stack_servers.folders import write_closed

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 29_999
"""Below the ports that a kernel gives to outgoing connections, which could take one while its server is down."""

Ports = dict[str, int]
"""What for → port."""


class NoPortError(Exception):
    """No port of the range is free."""


def remembered(path: Path) -> dict[str, Ports]:
    """Server → its ports."""
    try:
        found: dict[str, Ports] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def assign(path: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, Ports]:
    """Ports of servers that are to start: those of last time where they are free, and remembered from now on.

    Raises: NoPortError
    """
    known = remembered(path)
    others = {name: ports for name, ports in known.items() if name not in wanted}
    taken = {port for ports in others.values() for port in ports.values()}
    given: dict[str, Ports] = {}
    for name, purposes in wanted.items():
        given[name] = {purpose: _port(known.get(name, {}).get(purpose), taken) for purpose in purposes}
    write_closed(path, json.dumps(others | given, indent=1))
    return given


def _port(last: int | None, taken: set[int]) -> int:
    """One nobody listens on, not in `taken`, which it joins."""
    candidates = random.sample(range(LOWEST, HIGHEST + 1), k=200)
    for port in ([] if last is None else [last]) + candidates:
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise NoPortError(f"none of 200 ports from {LOWEST} to {HIGHEST} is free")


def is_free(port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
