"""The server's side of the contract: an ASGI application over tables of operations.

A request is matched, counted, its body read within bounds; then one trip to the bounded pool of threads authenticates,
decodes, runs the operation and encodes its answer. What waits for a client (`exchange`) stays on the event loop.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from domain.events import Who
from gateways.accounts import Principal
from gateways.http import idempotency
from gateways.http.metrics import Metrics
from gateways.http.octets import answer_whole
from gateways.http.operations import MAX_JSON_BYTES, Answer, BehindError, Call, Operation, Read
from gateways.http.ports import HttpParts
from gateways.http.problems import ProblemError, problem_of
from gateways.http.rate_limits import RateLimits
from gateways.http.request_ids import HEADER, REQUEST, identified, request_id
from gateways.http.requests import (
    Message,
    Receive,
    Scope,
    Send,
    bearer,
    client_address,
    header,
    json_of,
    query_of,
    read_body,
    require_media_type,
)
from gateways.http.responses import compressed, of_problem, send_answer, wants_gzip
from gateways.http.routing import Methods, Routes, are_ids
from gateways.http.tables import operations_of

BEHIND_S = 2.0
BEHIND_PAUSE_S = 0.05
MAX_PENDING = 512
LARGE_AT_ONCE = 4
SWITCHING_PROTOCOLS = 101
INTERNAL_ERROR = 1011
"""Of a WebSocket that is open already (RFC 6455 section 7.4.1)."""
_log = logging.getLogger(__name__)


def create_app(parts: HttpParts) -> "HttpApp":
    """The application of an installation."""
    return HttpApp(parts)


class HttpApp:
    """The ASGI application. `waiters` of its parts must be closed before the server is, so that nobody waits on."""

    def __init__(self, parts: HttpParts) -> None:
        self.parts = parts
        self.metrics = Metrics(parts.gauges)
        self.operations: Sequence[Operation] = operations_of(self)
        self._routes = Routes(self.operations)
        self._limits = RateLimits(
            per_account=parts.settings.account_requests_per_s, per_address=parts.settings.address_requests_per_s
        )
        self._pending = 0
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the server's own start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        REQUEST.set(request_id(scope))
        answering = _Answering(scope, send)
        try:
            await self._serve(scope, receive, answering)
        except asyncio.CancelledError:
            if scope["type"] != "http" or answering.has_begun:
                raise
            # The service ends and cuts off what has not been answered: the client asks again, under the same key.
            await self.refuse(scope, send, ProblemError("unavailable"))
        except (TimeoutError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - every failure is answered, none shows its traceback
            if scope["type"] == "websocket" and answering.has_begun:
                await self._break_off(send, self._problem(error))
            else:
                await self.refuse(scope, send, self._problem(error))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation, path = self._match(scope)
        if operation.tag != "operations":
            self._limits.count_address(client_address(scope))
        if operation.exchange is not None:
            await operation.exchange(scope, receive, send, path)
            return
        await self._answer(operation, path, scope, receive, send)

    def route(self, scope: Scope) -> str:
        """The path of the operation asked for, with places for ids; empty where there is none."""
        found = self._routes.find(scope["path"])
        return next(iter(found[0].values())).path if found else ""

    def _match(self, scope: Scope) -> tuple[Operation, Mapping[str, str]]:
        found = self._routes.find(scope["path"])
        if found is None:
            raise ProblemError("route_unknown")
        methods, path = found
        method = "GET" if scope["type"] == "websocket" else scope["method"]
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise ProblemError("method_not_allowed", f"allowed: {_allowed(methods)}")
        if scope["type"] == "websocket" and SWITCHING_PROTOCOLS not in operation.answers:
            raise ProblemError("route_unknown", "this address speaks no WebSocket")
        if not are_ids(path):
            raise ProblemError(operation.unknown)
        return operation, path

    async def _answer(
        self, operation: Operation, path: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        raw = b""
        if operation.body is not None:
            require_media_type(scope, operation.body_media)
            if operation.max_body_bytes > MAX_JSON_BYTES:
                await self.call(partial(self.authenticate, scope))
            raw = await read_body(scope, receive, most=operation.max_body_bytes)
        done = partial(self._done, operation, path, scope, raw)
        if not operation.large:
            answer, zipped = await self._until_reached(done)
        else:
            async with self._large:
                answer, zipped = await self._until_reached(done)
        await answer_whole(scope, send, answer, zipped)

    async def _until_reached(self, done: Any) -> tuple[Answer, bytes | None]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BEHIND_S
        while True:
            try:
                found: tuple[Answer, bytes | None] = await self.call(done)
                return found
            except BehindError as behind:
                if loop.time() > deadline:
                    raise ProblemError("behind", str(behind)) from None
                await asyncio.sleep(BEHIND_PAUSE_S)

    async def call(self, function: Any) -> Any:
        """Run a blocking call in the bounded pool. Raises: ProblemError, where too many wait for it already."""
        if self._pending >= MAX_PENDING:
            raise ProblemError("overloaded")
        self._pending += 1
        try:
            run = partial(copy_context().run, function)
            return await asyncio.get_running_loop().run_in_executor(self.parts.executor, run)
        finally:
            self._pending -= 1

    # -- in a thread of the pool

    def _done(
        self, operation: Operation, path: Mapping[str, str], scope: Scope, raw: bytes
    ) -> tuple[Answer, bytes | None]:
        try:
            answer = self._run(operation, path, scope, raw)
        except BehindError:
            raise
        except Exception as error:  # noqa: BLE001 - every failure is answered
            answer = of_problem(self._problem(error), request=request_id(scope))
        return answer, compressed(answer) if wants_gzip(scope) else None

    def _run(self, operation: Operation, path: Mapping[str, str], scope: Scope, raw: bytes) -> Answer:
        assert operation.run is not None
        principal = None if _is_open(operation, scope) else self.authenticate(scope)
        call = Call(
            self.parts,
            principal=principal,
            path=path,
            query=None if operation.query_type is None else query_of(scope, operation.query_type),
            body=_body(operation, raw),
            raw=raw,
            who=who(scope),
            address=client_address(scope),
            if_match=header(scope, b"if-match"),
        )
        if isinstance(call.query, Read) and call.query.min_seq is not None and principal is not None:
            self.require_reached(principal, call.query.min_seq)
        if not operation.keeps_answers:
            return operation.run(call)
        idempotency.take_key(call, operation, scope)
        return idempotency.kept_answer(call) or idempotency.keep(call, operation.run(call))

    def authenticate(self, scope: Scope, token: str | None = None) -> Principal:
        """Who asks. Raises: ProblemError (401, 429)."""
        given = token or bearer(scope)
        principal = self.parts.sessions.authenticate(given) if given is not None else None
        if principal is None:
            raise ProblemError("token_invalid")
        self._limits.count_account(principal.account_id)
        return principal

    def require_reached(self, principal: Principal, min_seq: int) -> None:
        """The log has reached this seq: everything in step with it has. Raises: ProblemError."""
        head = self.parts.facts.head(principal.mailbox_id)
        if head is None or min_seq > head.seq:
            raise ProblemError("sequence_ahead", f"min_seq={min_seq} lies above the head")

    # -- what went wrong

    def _problem(self, error: Exception) -> ProblemError:
        problem = problem_of(error, self.parts)
        if problem is None:
            _log.error("a request failed", exc_info=error)
            return ProblemError("internal")
        if problem.status >= 500 and problem is not error:
            _log.warning("answered %s: %r", problem.code, error)
        return problem

    async def _break_off(self, send: Send, problem: ProblemError) -> None:
        """Close a WebSocket that is open already."""
        await send({"type": "websocket.close", "code": INTERNAL_ERROR, "reason": problem.code})

    async def refuse(self, scope: Scope, send: Send, problem: ProblemError) -> None:
        """Answer a problem, to a request or to a WebSocket that is not accepted yet."""
        if scope["type"] == "http":
            found = self._routes.find(scope["path"])
            allow = ((b"allow", _allowed(found[0]).encode()),) if problem.code == "method_not_allowed" and found else ()
            answer = of_problem(problem, request=request_id(scope))
            whole = Answer(answer.body, answer.status, answer.content_type, (*answer.headers, *allow))
            await send_answer(send, identified(scope, whole))
        elif "websocket.http.response" in scope.get("extensions", {}):
            await _refuse_websocket(send, problem)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": problem.code})


class _Answering:
    """A `send` that knows whether anything was sent, and lets every answer bear its request's id."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        self.has_begun = True
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (HEADER, request_id(self._scope).encode())]
        await self._send(message)


async def _refuse_websocket(send: Send, problem: ProblemError) -> None:
    answer = of_problem(problem)
    headers = [(b"content-type", answer.content_type.encode()), *answer.headers]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


def who(scope: Scope) -> Who:
    """What is recorded with the events of this request."""
    client = (header(scope, b"user-agent") or "")[:200]
    return Who(actor="owner", client=client, protocol="http", address=client_address(scope))


def _is_open(operation: Operation, scope: Scope) -> bool:
    """Whether no token is asked for; a signed address is judged by the operation itself."""
    return operation.open_to_strangers or (operation.signed and b"signature=" in scope.get("query_string", b""))


def _body(operation: Operation, raw: bytes) -> Any:
    if operation.body is None or operation.body is bytes:
        return raw
    return json_of(raw, operation.body)


def _allowed(methods: Methods) -> str:
    return ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
