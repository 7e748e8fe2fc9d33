"""What a client asks of `/sync`, in every form."""

from typing import Annotated

import msgspec

from gateways.http.operations import Read, Seq
from gateways.http.problems import ProblemError
from gateways.http.requests import Scope, header, query_of

MAX_WAIT_S = 60


class SyncQuery(Read, frozen=True, kw_only=True):
    """`since` N, at most `limit` events, known to end with `hash`; wait `wait` seconds; `fold` for net changes."""

    since: Seq = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 500
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_S)] = 0
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    fold: bool = False

    @property
    def known_hash(self) -> bytes | None:
        """The hash that the client kept."""
        return None if self.hash is None else bytes.fromhex(self.hash)


class LiveQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where a live stream begins. `access_token` stands for an Authorization field that a browser cannot send."""

    since: Seq = 0
    access_token: Annotated[str, msgspec.Meta(max_length=500)] | None = None


def sync_query(scope: Scope) -> SyncQuery:
    """The query of `/sync`; `Last-Event-ID` is the `since` of a live stream that resumes.

    Raises: ProblemError.
    """
    asked = query_of(scope, SyncQuery)
    if not wants_stream(scope):
        return asked
    if asked.fold:
        raise ProblemError("parameter_invalid", "net changes are no stream of events: fold needs application/json")
    return msgspec.structs.replace(asked, since=_resumed(scope, asked.since))


def wants_stream(scope: Scope) -> bool:
    """Whether the client asks for server-sent events."""
    return "text/event-stream" in (header(scope, b"accept") or "")


def _resumed(scope: Scope, since: int) -> int:
    last = header(scope, b"last-event-id")
    if last is None or last == "":
        return since
    if not (last.isascii() and last.isdecimal() and len(last) < 19):
        raise ProblemError("parameter_invalid", "Last-Event-ID is the seq of an event")
    return int(last)
