"""`/sync`: the mailbox's stream after a seq, at once, after waiting for something new, or live (server-sent events)."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from domain.ids import MailboxId
from gateways.accounts import Principal
from gateways.http.held import answerable, keeps_alive
from gateways.http.octets import answer_whole
from gateways.http.operations import Answer
from gateways.http.request_ids import request_id
from gateways.http.requests import Receive, Scope, Send, bearer
from gateways.http.responses import compressed, wants_gzip
from gateways.http.sync_pages import ReadAnswer, as_events, read_answer, read_page
from gateways.http.sync_query import SyncQuery, sync_query, wants_stream
from gateways.http.waiting_clients import KEEPALIVE_S, LiveStream, StreamForm, WaitForm, WaitingCall
from gateways.http.waiting_room import Form, Found, WaitingRoom
from gateways.http.wheel import Wheel
from projections.sync_page import SyncPage

if TYPE_CHECKING:
    from gateways.http.app import HttpApp

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


class SyncRoute:
    """Answers `/sync` in every form but WebSocket."""

    def __init__(self, app: "HttpApp") -> None:
        self._app = app
        self._parts = app.parts
        self._tokens = app.parts.tokens
        self._room = WaitingRoom(app.parts.waiters, Wheel(), self._tokens, read=self._read_for_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, _path: Mapping[str, str]) -> None:
        """One request. Whoever waits is held when this ends."""
        asked = sync_query(scope)
        if wants_stream(scope):
            await self._stream(asked, scope, send)
        elif asked.wait and scope["method"] == "GET" and not self._parts.waiters.closed:
            await self._wait(asked, scope, send)
        else:
            _who, _read, answer, zipped = await self._app.call(partial(self._read, scope, asked))
            await answer_whole(scope, send, answer, zipped)

    def _read(self, scope: Scope, asked: SyncQuery) -> tuple[Principal, ReadAnswer, Answer, bytes | None]:
        """Who asks, and the answer as things stand; in a thread of the pool."""
        principal = self._app.authenticate(scope)
        if asked.min_seq is not None:
            self._app.require_reached(principal, asked.min_seq)
        read = read_answer(self._parts, principal.mailbox_id, asked)
        return principal, read, read.answer, compressed(read.answer) if wants_gzip(scope) else None

    async def _wait(self, asked: SyncQuery, scope: Scope, send: Send) -> None:
        self._parts.waiters.listen()
        principal, read, answer, zipped = await self._app.call(partial(self._read, scope, asked))
        if read.next > asked.since or self._parts.waiters.closed:
            await answer_whole(scope, send, answer, zipped)
            return
        form = WaitForm(limit=asked.limit, fold=asked.fold, zipped=wants_gzip(scope), keep_alive=keeps_alive(scope))
        place = self._room.place(principal.mailbox_id, asked.since, form)
        client = WaitingCall(place, form, answer, request_id(scope))
        self._tokens.enter(client, account_id=principal.account_id, token=bearer(scope) or "")
        place.admit(client, answerable(scope), due_after_s=asked.wait, head=read.head)

    async def _stream(self, asked: SyncQuery, scope: Scope, send: Send) -> None:
        self._parts.waiters.listen()
        principal, page = await self._app.call(partial(self._begin, scope, asked))
        await send({"type": "http.response.start", "status": 200, "headers": list(STREAM_HEADERS)})
        ends = scope["method"] == "HEAD" or self._parts.waiters.closed
        await send({"type": "http.response.body", "body": as_events(page), "more_body": not ends})
        if not ends:
            place = self._room.place(principal.mailbox_id, page.next, StreamForm())
            client = LiveStream(place)
            self._tokens.enter(client, account_id=principal.account_id, token=bearer(scope) or "")
            place.admit(client, answerable(scope), due_after_s=KEEPALIVE_S, head=page.head)

    def _begin(self, scope: Scope, asked: SyncQuery) -> tuple[Principal, SyncPage]:
        """Who asks, and the first page; in a thread of the pool."""
        principal = self._app.authenticate(scope)
        return principal, read_page(self._parts, principal.mailbox_id, asked)

    async def _read_for_all(self, form: Form, mailbox_id: MailboxId, since: int) -> Found:
        found: Found = await self._app.call(partial(form.read, self._parts, mailbox_id, since))
        return found
