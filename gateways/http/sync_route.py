"""`/sync`: the mailbox's stream after a seq, at once, after waiting for something new, or live (server-sent events)."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateways.accounts import Principal
from gateways.http.operations import Answer
from gateways.http.problems import ProblemError
from gateways.http.requests import Receive, Scope, Send
from gateways.http.responses import compressed, send_answer, wants_gzip
from gateways.http.sync_pages import SharedPages, page_answer, read_fold, read_page
from gateways.http.sync_query import SyncQuery, sync_query, wants_stream
from gateways.http.waiters import Watch
from projections.sync_page import SyncPage

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

KEEPALIVE_S = 20.0
CHECKED_EVERY = 3
"""After so many comments a stream asks whether its token still stands: within a minute."""
STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


class SyncRoute:
    """Answers `/sync` in every form but WebSocket."""

    def __init__(self, app: "HttpApp", pages: SharedPages) -> None:
        self._app = app
        self._parts = app.parts
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send, _path: Mapping[str, str]) -> None:
        """One request."""
        asked = sync_query(scope)
        if wants_stream(scope):
            await self._stream(asked, scope, receive, send)
        elif asked.wait and not self._parts.waiters.closed:
            await self._wait(asked, scope, receive, send)
        else:
            answer, zipped, _any, _who = await self._app.call(partial(self._read, scope, asked, None))
            await send_answer(send, answer, zipped=zipped, bodiless=scope["method"] == "HEAD")

    def _read(
        self, scope: Scope, asked: SyncQuery, principal: Principal | None
    ) -> tuple[Answer, bytes | None, bool, Principal]:
        """The answer as things stand, whether there is anything in it, and whose; in a thread of the pool."""
        principal = principal or self._app.authenticate(scope)
        if asked.min_seq is not None:
            self._app.require_reached(principal, asked.min_seq)
        if asked.fold:
            body, anything = read_fold(self._parts, principal.mailbox_id, asked)
            answer = Answer(body)
        else:
            page = read_page(self._parts, principal.mailbox_id, asked)
            answer, anything = page_answer(page), bool(page.events)
        return answer, compressed(answer) if wants_gzip(scope) else None, anything, principal

    async def _wait(self, asked: SyncQuery, scope: Scope, receive: Receive, send: Send) -> None:
        self._parts.waiters.listen()
        answer, zipped, anything, principal = await self._app.call(partial(self._read, scope, asked, None))
        if not anything:
            with self._parts.waiters.watch(principal.mailbox_id) as watch:
                told = await _until_told(watch, asked, receive)
            if told is None:
                return
            if told:
                answer, zipped = await self._told(asked, scope, principal)
        await send_answer(send, answer, zipped=zipped)

    async def _told(self, asked: SyncQuery, scope: Scope, principal: Principal) -> tuple[Answer, bytes | None]:
        """The answer after something new came; of plain pages one reading serves all who wait at the same place."""
        if not asked.fold and not wants_gzip(scope):
            page, body = await self._pages.page(principal.mailbox_id, asked.since, limit=asked.limit)
            if page.events:
                return Answer(body), None
        answer, zipped, _any, _who = await self._app.call(partial(self._read, scope, asked, principal))
        return answer, zipped

    async def _stream(self, asked: SyncQuery, scope: Scope, receive: Receive, send: Send) -> None:
        self._parts.waiters.listen()
        principal, first = await self._app.call(partial(self._begin, scope, asked))
        with self._parts.waiters.watch(principal.mailbox_id) as watch:
            await send({"type": "http.response.start", "status": 200, "headers": list(STREAM_HEADERS)})
            await send({"type": "http.response.body", "body": b": ledgermail\n\n", "more_body": True})
            gone = asyncio.ensure_future(_disconnected(receive))
            gone.add_done_callback(lambda _done: watch.give_up())
            try:
                await self._follow(first, watch, gone, scope, send)
            finally:
                left = gone.done()
                gone.cancel()
            if not left:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _begin(self, scope: Scope, asked: SyncQuery) -> tuple[Principal, SyncPage]:
        """Who asks, and the first page; in a thread of the pool."""
        principal = self._app.authenticate(scope)
        return principal, read_page(self._parts, principal.mailbox_id, asked)

    async def _follow(
        self, page: SyncPage, watch: Watch, gone: "asyncio.Future[None]", scope: Scope, send: Send
    ) -> None:
        """Everything from the first page on, until the client leaves, its token ends, or the service stops."""
        beats = 0
        while not gone.done():
            if page.events:
                await send({"type": "http.response.body", "body": _as_events(page), "more_body": True})
            if page.next >= max(page.head, watch.head) and not await watch.beyond(page.next, within_s=KEEPALIVE_S):
                beats += 1
                if self._parts.waiters.closed or (beats % CHECKED_EVERY == 0 and not await self._still_stands(scope)):
                    return
                page = msgspec.structs.replace(page, since=page.next, events=())
                if not gone.done():
                    await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
                continue
            page, _ = await self._pages.page(watch.mailbox_id, page.next, limit=500)

    async def _still_stands(self, scope: Scope) -> bool:
        try:
            await self._app.call(partial(self._app.authenticate, scope))
        except ProblemError as problem:
            return problem.code == "rate_limited"
        return True


def _as_events(page: SyncPage) -> bytes:
    return b"".join(b"id: %d\ndata: %b\n\n" % event for event in page.events)


async def _until_told(watch: Watch, asked: SyncQuery, receive: Receive) -> bool | None:
    """Whether something new came within the wait; None where the client left."""
    gone = asyncio.ensure_future(_disconnected(receive))
    gone.add_done_callback(lambda _done: watch.give_up())
    try:
        told = await watch.beyond(asked.since, within_s=asked.wait)
        return None if gone.done() and not told else told
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
