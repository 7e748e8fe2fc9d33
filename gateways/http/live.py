"""`/v1/ws`: the same events over WebSocket (RFC 6455), each a text frame of JSON."""

import asyncio
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from gateways.accounts import Principal
from gateways.http.problems import ProblemError
from gateways.http.requests import Receive, Scope, Send, bearer, query_of
from gateways.http.sync_pages import SharedPages, read_page
from gateways.http.sync_query import LiveQuery, SyncQuery
from gateways.http.token_checks import Standing, TokenChecks
from gateways.http.waiters import Watch
from projections.sync_page import SyncPage

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

PROTOCOL = "access_token"
"""A browser sends its token as the second of two subprotocols, of which this is the first."""
CHECK_S = 60.0
"""Where nothing is new the token is looked at so often."""
GOING_AWAY, POLICY_VIOLATION = 1001, 1008
"""RFC 6455 section 7.4.1."""


class Follower:
    """A client that waits on its token (`token_checks.Waiting`) within its `with` block."""

    standing: Standing

    def __init__(self, watch: Watch, tokens: TokenChecks, *, account_id: str, token: str) -> None:
        self.watch = watch
        self.is_over = False
        self._tokens = tokens
        tokens.enter(self, account_id=account_id, token=token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tokens.leave(self)

    def ended(self) -> None:
        """Nothing is sent any more, and nothing waited for."""
        self.is_over = True
        self.watch.give_up()


class LiveRoute:
    """Answers `/v1/ws`."""

    def __init__(self, app: "HttpApp", pages: SharedPages) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send, _path: Mapping[str, str]) -> None:
        """One connection."""
        if scope["type"] != "websocket":
            raise ProblemError("parameter_invalid", "this address speaks WebSocket only")
        asked = query_of(scope, LiveQuery)
        token, protocol = _token(scope, asked)
        principal: Principal = await self._app.call(partial(self._app.authenticate, scope, token))
        parts = self._app.parts
        await receive()
        given = token or bearer(scope) or ""
        with (
            parts.waiters.watch(principal.mailbox_id) as watch,
            Follower(watch, parts.tokens, account_id=principal.account_id, token=given) as follower,
        ):
            first: SyncPage = await self._app.call(
                partial(read_page, parts, principal.mailbox_id, SyncQuery(since=asked.since))
            )
            await send({"type": "websocket.accept", "subprotocol": protocol})
            gone = asyncio.ensure_future(_closed(receive))
            gone.add_done_callback(lambda _done: watch.give_up())
            try:
                code = await self._follow(first, follower, gone, send)
            finally:
                left = gone.done()
                gone.cancel()
            if not left:
                await send({"type": "websocket.close", "code": code})

    async def _follow(self, page: SyncPage, follower: Follower, gone: "asyncio.Future[None]", send: Send) -> int:
        """Every event from the first page on; the code to close with."""
        watch = follower.watch
        while not gone.done():
            for _seq, event in page.events:
                if not await self._stands(follower):
                    return POLICY_VIOLATION
                await send({"type": "websocket.send", "text": event.decode()})
            if not await self._stands(follower):
                return POLICY_VIOLATION
            if page.next >= max(page.head, watch.head) and not await watch.beyond(page.next, within_s=CHECK_S):
                if self._app.parts.waiters.closed:
                    return GOING_AWAY
                page = msgspec.structs.replace(page, since=page.next, events=())
                continue
            page = await self._pages.page(watch.mailbox_id, page.next, limit=500)
        return GOING_AWAY

    async def _stands(self, follower: Follower) -> bool:
        """Before every event: a slow client takes long for a page."""
        await self._app.parts.tokens.look([follower])
        return not follower.is_over


def _token(scope: Scope, asked: LiveQuery) -> tuple[str | None, str | None]:
    """The token, where it is not in the Authorization field, and the subprotocol to accept."""
    offered = scope.get("subprotocols", [])
    if len(offered) >= 2 and offered[0] == PROTOCOL:
        return offered[1], PROTOCOL
    return asked.access_token, None


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
