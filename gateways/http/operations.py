"""What an operation of the contract is: method and path, what it takes, what it answers, and the function that does."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from domain.commands import Command, Outcome
from domain.events import Who
from domain.ids import MailboxId
from gateways.accounts import Principal
from gateways.http.ports import HttpParts

Q = TypeVar("Q")
B = TypeVar("B")

JSON = "application/json"
MAX_JSON_BYTES = 2**20
Headers = tuple[tuple[bytes, bytes], ...]

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Cursor = Annotated[str, msgspec.Meta(max_length=1000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What every read takes: `min_seq`, the seq that its answer must have reached."""

    min_seq: Seq | None = None


class PagedRead(Read, frozen=True, kw_only=True):
    """A page of a list: the `cursor` that the page before gave, and how many rows."""

    cursor: Cursor | None = None
    limit: Limit = 50


class Reached(msgspec.Struct, frozen=True):
    """The seq that a write reached."""

    seq: int


class Answer(msgspec.Struct, frozen=True):
    """What is sent: a whole body, and headers beside those that every answer has. `policy` replaces the CSP."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: Headers = ()
    policy: bytes | None = None


class BehindError(Exception):
    """A view that follows has not reached `min_seq`: the call is made again until it has, for two seconds."""


class Call(Generic[Q, B]):
    """One request, decoded: what an operation's function is given."""

    __slots__ = (
        "_principal", "address", "appended", "body", "digest", "if_match", "key", "parts", "path", "query", "raw", "who"
    )  # fmt: skip

    def __init__(
        self,
        parts: HttpParts,
        *,
        principal: Principal | None,
        path: Mapping[str, str],
        query: Q,
        body: B,
        raw: bytes,
        who: Who,
        address: str,
        if_match: str | None = None,
    ) -> None:
        self.parts = parts
        self._principal = principal
        self.path = path
        self.query = query
        self.body = body
        self.raw = raw
        self.who = who
        self.address = address
        self.if_match = if_match
        self.key: str | None = None
        """Names the request for ever where it bore an Idempotency-Key."""
        self.digest = b""
        """Of the whole request, keyed; empty without an Idempotency-Key."""
        self.appended = False

    @property
    def principal(self) -> Principal:
        """Who asks; only operations that are open to strangers have none."""
        assert self._principal is not None
        return self._principal

    @property
    def account_id(self) -> str:
        """The caller's account; empty for a stranger."""
        return self._principal.account_id if self._principal is not None else ""

    @property
    def mailbox_id(self) -> MailboxId:
        """The caller's own mailbox."""
        return self.principal.mailbox_id

    @property
    def command_id(self) -> str:
        """The id of the command that this request is: the same one for a repeat under the same key."""
        return f"http:{self.key}" if self.key is not None else f"http:{secrets.token_urlsafe(18)}"

    def run(self, command: Command) -> Outcome:
        """Append, and wait until it is durable. Raises: Refusal."""
        outcome = self.parts.appender.run(command)
        self.appended = self.appended or outcome.seq >= outcome.first_seq
        return outcome

    def written(self, command: Command, *answered: str, status: int = 200) -> Answer:
        """Append, and answer `seq` and these members of the decision's answer."""
        outcome = self.run(command)
        return as_json({name: outcome.answer[name] for name in answered} | {"seq": outcome.seq}, status=status)


Run = Callable[[Call[Any, Any]], Answer]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the contract.

    `run` is None for what has a conversation of its own with the client (`exchange` names it). `unknown` is the code
    for an id in the path that can be none. `answers` gives each status its type, types or media type. `secret` says
    that the answer is one, so that no idempotency key keeps it; `signed` that a signed address needs no token; `large`
    that a body or answer may be of many megabytes.
    """

    method: str
    path: str
    summary: str
    run: Run | None = None
    exchange: Any = None
    query: type[Any] | None = None
    body: Any = None
    body_media: str = JSON
    max_body_bytes: int = MAX_JSON_BYTES
    answers: Mapping[int, Any]
    errors: tuple[str, ...] = ()
    unknown: str = "route_unknown"
    open_to_strangers: bool = False
    signed: bool = False
    secret: bool = False
    large: bool = False
    tag: str = ""

    @property
    def query_type(self) -> type[Any] | None:
        """What the query string is read as; every read takes `min_seq` at least."""
        return self.query or (Read if self.method == "GET" and not self.open_to_strangers else None)

    @property
    def keeps_answers(self) -> bool:
        """Whether an Idempotency-Key is honoured."""
        return self.method == "POST" and not self.secret


def as_json(value: Any, *, status: int = 200, headers: Headers = ()) -> Answer:
    """An answer of JSON."""
    return Answer(msgspec.json.encode(value), status, headers=headers)


def json_page(name: str, rows: tuple[bytes, ...], cursor: str | None) -> Answer:
    """A page whose rows are JSON already."""
    return Answer(b'{"%b":[%b],"cursor":%b}' % (name.encode(), b",".join(rows), msgspec.json.encode(cursor)))


def keyed_digest(secret: bytes, *parts: bytes) -> bytes:
    """A digest that nobody without the installation's secret can compare with a guess."""
    return hashlib.blake2b(b"\0".join(parts), key=secret, digest_size=24).digest()
