"""The names of the roles and how they share processes: nothing is loaded here, so that the supervisor stays small."""

from collections.abc import Sequence

PROCESSES: tuple[tuple[str, ...], ...] = (
    ("http",),
    ("smtp", "lmtp", "submission"),
    ("delivery", "sender", "timers"),
    ("follower",),
)
"""Which roles share a process: Python works on one thing at a time, and two cores want more than one."""

PATIENT = frozenset({"follower"})
"""The roles that give way to the others: nobody waits for what they do, and it comes in bursts that fill all cores."""

OPERATIONS = "operations"
"""Played by one of the processes where `LEDGERMAIL_OPERATIONS` says an address; nobody names it."""

ROLES = tuple(role for group in PROCESSES for role in group)


def processes(only: Sequence[str] = (), *, watched: bool = False) -> list[tuple[str, ...]]:
    """The processes to start, for all roles or for some; where they are `watched` one has a door for that.

    Raises:
        ValueError: a role that does not exist.
    """
    unknown = [name for name in only if name not in ROLES]
    if unknown:
        raise ValueError(f"there is no role {unknown[0]!r}: the roles are {', '.join(ROLES)}")
    wanted = set(only) or set(ROLES)
    kept = (tuple(role for role in group if role in wanted) for group in PROCESSES)
    groups = [group for group in kept if group]
    return [*groups[:-1], (*groups[-1], OPERATIONS)] if watched else groups
