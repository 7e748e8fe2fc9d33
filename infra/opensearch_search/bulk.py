"""Many writes in one request, each with an answer of its own: made by the seq, so that what is stale does nothing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from opensearchpy import OpenSearch

from domain.ids import MailboxId
from infra.opensearch_search.server import WRITE_S, IndexMissingError, told
from projections.search import SearchUnavailableError

REQUEST_BYTES: Final = 4_000_000
CONFLICTS: Final = 5
"""So many others may write the same document in the meantime."""
MISSING: Final = 404
EXISTS: Final = 409

_REPLACE: Final = "if(ctx._source.seq>params.d.seq){ctx.op='noop'}else{ctx._source=params.d}"
_CHANGE: Final = "if(ctx._source.seq>params.d.seq){ctx.op='noop'}else{ctx._source.putAll(params.d)}"
_encode: Final = msgspec.json.Encoder().encode


class Write(msgspec.Struct, frozen=True):
    """One write: the lines that ask for it. Its answer is a status; `expected` are those that are no failure."""

    lines: bytes
    expected: frozenset[int] = frozenset()


def create(key: str, mailbox_id: MailboxId, document: dict[str, Any]) -> Write:
    """Put a document in where there is none of its name; else the answer is `EXISTS`."""
    return Write(_lines({"create": _named(key, mailbox_id)}, document), frozenset({EXISTS}))


def put(key: str, mailbox_id: MailboxId, document: dict[str, Any]) -> Write:
    """Put a document in, whatever stood there."""
    return Write(_lines({"index": _named(key, mailbox_id)}, document))


def replace(key: str, mailbox_id: MailboxId, document: dict[str, Any], *, made: bool = False) -> Write:
    """Put a document in place of one whose seq is not above its own; where there is none, only if `made`."""
    asked: dict[str, Any] = {"script": {"source": _REPLACE, "params": {"d": document}}}
    if made:
        asked["upsert"] = document
    return _update(key, mailbox_id, asked)


def change(key: str, mailbox_id: MailboxId, fields: dict[str, Any]) -> Write:
    """Change some fields of a document whose seq is not above theirs; without one the answer is `MISSING`."""
    return _update(key, mailbox_id, {"script": {"source": _CHANGE, "params": {"d": fields}}})


def write(client: OpenSearch, index: str, writes: Sequence[Write], *, shown: bool = False) -> list[int]:
    """The statuses of writes to one index, in their order: all are durable, and visible to every reader if `shown`.

    `index` is a second name of it: a name alone would make an index where there is none.

    Raises: IndexMissingError, SearchUnavailableError, after which some may have been taken.
    """
    statuses: list[int] = []
    parameters = {"require_alias": "true", "request_timeout": WRITE_S, "refresh": "true" if shown else "false"}
    for some in _portions(writes):
        body = b"".join(one.lines for one in some)
        with told():
            answer = client.transport.perform_request("POST", f"/{index}/_bulk", params=dict(parameters), body=body)
        statuses += [_status(item, one.expected) for item, one in zip(answer["items"], some, strict=True)]
    return statuses


def _portions(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """The writes in runs of about `REQUEST_BYTES`."""
    some: list[Write] = []
    size = 0
    for one in writes:
        if some and size + len(one.lines) > REQUEST_BYTES:
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one.lines)
    if some:
        yield some


def _status(item: dict[str, Any], expected: frozenset[int]) -> int:
    (answer,) = item.values()
    status = int(answer["status"])
    if status < 300:
        return status
    reason = answer.get("error", {})
    if reason.get("type") == "index_not_found_exception":
        raise IndexMissingError(f"OpenSearch has no such index: {reason.get('reason')}")
    if status in expected:
        return status
    raise SearchUnavailableError(f"OpenSearch does not take {answer.get('_id')}: {reason}")


def _named(key: str, mailbox_id: MailboxId) -> dict[str, Any]:
    return {"_id": key, "routing": mailbox_id}


def _update(key: str, mailbox_id: MailboxId, asked: dict[str, Any]) -> Write:
    action = {"update": {**_named(key, mailbox_id), "retry_on_conflict": CONFLICTS}}
    return Write(_lines(action, asked), frozenset({MISSING}))


def _lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(_encode(one) + b"\n" for one in objects)
