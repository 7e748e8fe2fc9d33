"""What a tree of processes uses, read from /proc: CPU seconds, memory, threads, each by the process's roles."""

import os
from collections.abc import Mapping
from pathlib import Path

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")
POSTGRES = "Postgres"


def tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def postmaster(url: str) -> int:
    """The first process of the server behind this URL (on this machine)."""
    with psycopg.connect(url) as connection:
        fields = _stat(connection.info.backend_pid)
    if fields is None:
        raise ProcessLookupError(f"no process {connection.info.backend_pid}")
    return int(fields[1])


def cpu_s(service: int, servers: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds used so far, by roles and servers; those of children that ended belong to whoever waited for them."""
    used: dict[str, float] = {}
    for pid in tree(service):
        used[_roles(pid)] = used.get(_roles(pid), 0.0) + _cpu_of(pid)
    return used | {name: tree_cpu_s(pid) for name, pid in servers.items()}


def tree_cpu_s(root: int) -> float:
    """CPU seconds used so far by a process and all below it."""
    return sum(_cpu_of(pid) for pid in tree(root))


def memory_mb(service: int) -> dict[str, tuple[float, float]]:
    """RSS and PSS in MB, by roles, without Postgres."""
    return {_roles(pid): (_status_kb(pid, "VmRSS") / 1024, _pss_kb(pid) / 1024) for pid in tree(service)}


def rss_kb(service: int, role: str) -> int:
    """The RSS of the process that plays this role."""
    return sum(_status_kb(pid, "VmRSS") for pid in tree(service) if role in _roles(pid).split("+"))


def threads(service: int, role: str) -> int:
    """The threads of the process that plays this role."""
    return sum(_status_kb(pid, "Threads") for pid in tree(service) if role in _roles(pid).split("+"))


def _stat(pid: int) -> list[str] | None:
    """The fields after the name: state, parent …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _cpu_of(pid: int) -> float:
    fields = _stat(pid)
    return 0.0 if fields is None else sum(map(int, fields[11:15])) / _TICKS


def _roles(pid: int) -> str:
    """The roles that the process was started with; the one that holds the others together is the supervisor."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    if "infra.serving.child" in words:
        return "+".join(word for word in words[words.index("infra.serving.child") + 1 :] if word)
    return "supervisor" if "serve" in words else words[0].rpartition("/")[2]


def _status_kb(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
