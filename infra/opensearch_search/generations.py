"""Generations of the search index: an index each, and an alias that names the live one.

A generation is written under a second name of its own, so that a write never makes an index where one was removed. The
alias bears the search epoch of the database (`infra.search_epoch`): a database that was made anew or restored finds no
index and begins one, and whatever an older one has written is left to its operator.
"""

import re
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from infra.opensearch_search.index import OpenSearchIndex
from infra.opensearch_search.schema import MAPPINGS, SCHEMA, settings
from infra.opensearch_search.server import WRITE_S, told
from infra.operator_errors import OperatorError
from projections.search import SearchUnavailableError

_WRITES: Final = "-writes"
_PRIORITY: Final = 500


class OpenSearchGenerations:
    """`SearchGenerations` below a prefix. Every method raises SearchUnavailableError."""

    def __init__(self, client: OpenSearch, prefix: str, epoch: str, *, shards: int) -> None:
        self.alias = f"{prefix}-{epoch}"
        self._client = client
        self._prefix = prefix
        self._shards = shards

    def live(self) -> int | None:
        """The generation that the alias names; None where there is none yet."""
        with told():
            found = self._ask("GET", f"/_alias/{self.alias}", ignore=404)
        numbers = [number for name in found if (number := self._number(name)) is not None]
        return max(numbers, default=None)

    def index(self, generation: int) -> OpenSearchIndex:
        """A generation, to be read and written."""
        return self.index_named(self.name(generation))

    def index_named(self, name: str) -> OpenSearchIndex:
        """The same, by the index's own name."""
        return OpenSearchIndex(self._client, name, f"{name}{_WRITES}")

    def identity(self, generation: int) -> str:
        """A text that no other index has, though it bear the same name."""
        name = self.name(generation)
        with told():
            found = self._ask("GET", f"/{name}/_settings/index.uuid")
        return str(found[name]["settings"]["index"]["uuid"])

    def ensure_live(self) -> int:
        """The live generation; made now, empty, where there is none. Any number of processes may ask for it at once."""
        generation = self.live()
        while generation is None:
            self._make(max(self._all(), default=0) + 1, aliases=(self.alias,))
            generation = self.live()
        return generation

    def require_readable(self) -> None:
        """Nothing, where the live generation is one that this release can read and write, or there is none.

        Raises: OperatorError
        """
        with told():
            found = self._ask("GET", f"/{self.alias}/_mapping", ignore=404)
        for name, index in found.items():
            if index["mappings"].get("_meta", {}).get("schema") != SCHEMA:
                raise OperatorError(f"the index {name} of OpenSearch has another form: ledgermail rebuild search")

    def begin(self) -> tuple[int, OpenSearchIndex]:
        """See `SearchGenerations.begin`."""
        live, there = self.live() or 0, self._all()
        self._remove([one for one in there if one < live])
        begun = max((one for one in there if one > live), default=None)
        if begun is None or not self._is_readable(begun):
            begun = max(*there, live, 0) + 1 if there else 1
            self._make(begun)
        return begun, self.index(begun)

    def switch(self, generation: int) -> None:
        """See `SearchGenerations.switch`."""
        name = self.name(generation)
        actions: list[dict[str, Any]] = [{"add": {"index": name, "alias": self.alias}}]
        actions += [{"remove": {"index": self.name(one), "alias": self.alias}} for one in self._live_ones(generation)]
        with told():
            self._ask("POST", "/_aliases", {"actions": actions})

    def remove_old(self) -> bool:
        """See `SearchGenerations.remove_old`: who still reads one asks again and finds the live one."""
        live = self.live() or 0
        self._remove([one for one in self._all() if one < live])
        return True

    def name(self, generation: int) -> str:
        """The index of a generation."""
        return f"{self.alias}-{generation}"

    def _number(self, name: str) -> int | None:
        found = re.fullmatch(rf"{re.escape(self.alias)}-(\d+)", name)
        return None if found is None else int(found[1])

    def _all(self) -> list[int]:
        with told():
            found = self._ask("GET", f"/{self.alias}-*/_alias")
        return sorted(number for name in found if (number := self._number(name)) is not None)

    def _live_ones(self, but: int) -> list[int]:
        with told():
            found = self._ask("GET", f"/_alias/{self.alias}", ignore=404)
        return [number for name in found if (number := self._number(name)) not in (None, but)]

    def _make(self, generation: int, *, aliases: tuple[str, ...] = ()) -> None:
        """An empty index; nothing, where another process has made it already."""
        name = self.name(generation)
        made = {"settings": {"index": settings(self._shards)}, "mappings": MAPPINGS}
        template = {"index_patterns": [f"{self.alias}-*"], "priority": _PRIORITY, "template": made}
        with told():
            self._ask("PUT", f"/_index_template/{self.alias}", template)
        try:
            named: dict[str, Any] = {"aliases": {alias: {} for alias in (f"{name}{_WRITES}", *aliases)}}
            with told():
                self._ask("PUT", f"/{name}", named)
        except SearchUnavailableError as error:
            cause = error.__cause__
            if not (isinstance(cause, RequestError) and cause.error == "resource_already_exists_exception"):
                raise

    def _is_readable(self, generation: int) -> bool:
        name = self.name(generation)
        with told():
            found = self._ask("GET", f"/{name}/_mapping")
        return bool(found[name]["mappings"].get("_meta", {}).get("schema") == SCHEMA)

    def _remove(self, generations: list[int]) -> None:
        for one in generations:
            with told():
                self._ask("DELETE", f"/{self.name(one)}", ignore=404)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, ignore: int = 0) -> dict[str, Any]:
        """The answer; nothing, where its status is the one to `ignore`."""
        parameters: dict[str, Any] = {"request_timeout": WRITE_S}
        if ignore:
            parameters["ignore"] = ignore
        answer: dict[str, Any] = self._client.transport.perform_request(method, path, params=parameters, body=body)
        if "error" in answer:
            return {}
        if answer.get("acknowledged") is False:
            raise SearchUnavailableError("OpenSearch has not agreed on a change in time")
        return answer
