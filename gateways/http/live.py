"""`/v1/ws`: the same events over WebSocket (RFC 6455), each a text frame of JSON."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateways.accounts import Principal
from gateways.http.problems import ProblemError
from gateways.http.requests import Receive, Scope, Send, query_of, require_no_nul
from gateways.http.sync_pages import SharedPages, read_page
from gateways.http.sync_query import LiveQuery, SyncQuery
from gateways.http.waiters import Watch
from projections.sync_page import SyncPage

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

PROTOCOL = "access_token"
"""A browser sends its token as the second of two subprotocols, of which this is the first."""
CHECK_S = 60.0
GOING_AWAY, POLICY_VIOLATION = 1001, 1008
"""RFC 6455 section 7.4.1."""


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
        require_no_nul(asked)
        token, protocol = _token(scope, asked)
        principal: Principal = await self._app.call(partial(self._app.authenticate, scope, token))
        parts = self._app.parts
        await receive()
        with parts.waiters.watch(principal.mailbox_id) as watch:
            first: SyncPage = await self._app.call(
                partial(read_page, parts, principal.mailbox_id, SyncQuery(since=asked.since))
            )
            await send({"type": "websocket.accept", "subprotocol": protocol})
            gone = asyncio.ensure_future(_closed(receive))
            gone.add_done_callback(lambda _done: watch.give_up())
            try:
                code = await self._follow(first, watch, gone, send, partial(self._app.authenticate, scope, token))
            finally:
                left = gone.done()
                gone.cancel()
            if not left:
                await send({"type": "websocket.close", "code": code})

    async def _follow(
        self, page: SyncPage, watch: Watch, gone: "asyncio.Future[None]", send: Send, check: "partial[Principal]"
    ) -> int:
        """Every event from the first page on; the code to close with."""
        while not gone.done():
            for _seq, event in page.events:
                await send({"type": "websocket.send", "text": event.decode()})
            if page.next >= max(page.head, watch.head) and not await watch.beyond(page.next, within_s=CHECK_S):
                if self._app.parts.waiters.closed:
                    return GOING_AWAY
                if not gone.done() and not await self._stands(check):
                    return POLICY_VIOLATION
                page = msgspec.structs.replace(page, since=page.next, events=())
                continue
            page = await self._pages.page(watch.mailbox_id, page.next, limit=500)
        return GOING_AWAY

    async def _stands(self, check: "partial[Principal]") -> bool:
        try:
            await self._app.call(check)
        except ProblemError as problem:
            return problem.code == "rate_limited"
        return True


def _token(scope: Scope, asked: LiveQuery) -> tuple[str | None, str | None]:
    """The token, where it is not in the Authorization field, and the subprotocol to accept."""
    offered = scope.get("subprotocols", [])
    if len(offered) >= 2 and offered[0] == PROTOCOL:
        return offered[1], PROTOCOL
    return asked.access_token, None


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
