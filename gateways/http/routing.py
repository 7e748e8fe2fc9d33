"""Which operation does a path lead to? Fixed paths by one look-up, paths with ids by their pattern."""

import re
from collections.abc import Iterable, Mapping

from gateways.http.operations import Operation

_PLACE = re.compile(r"\{(\w+)\}")
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

Methods = dict[str, Operation]


class Routes:
    """All operations by path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._fixed: dict[str, Methods] = {}
        self._with_ids: dict[str, tuple[re.Pattern[str], Methods]] = {}
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        path = operation.path
        if "{" not in path:
            self._fixed.setdefault(path, {})[operation.method] = operation
            return
        pattern = re.compile(_PLACE.sub(r"(?P<\1>[^/]+)", path))
        self._with_ids.setdefault(path, (pattern, {}))[1][operation.method] = operation

    def find(self, path: str) -> tuple[Methods, Mapping[str, str]] | None:
        """The operations of a path by method, and the ids in it."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        for pattern, methods in self._with_ids.values():
            if (match := pattern.fullmatch(path)) is not None:
                return methods, match.groupdict()
        return None


def are_ids(path: Mapping[str, str]) -> bool:
    """Whether every id in a path has the shape of one; another can name nothing."""
    return all(ID.fullmatch(one) for one in path.values())
