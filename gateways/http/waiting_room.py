"""Clients that wait at `/sync`, by the place where they stand: one reading of the log serves all who stand there.

A place is a seq of a mailbox and a form of the answer. All who stand there are sent the same octets, a slice of them at
a turn of the event loop, so that telling ten thousand keeps nobody else from being answered. No task, no timer and no
thread belongs to any of them.
"""

import abc
import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from domain.ids import MailboxId
from gateways.http.held import Answerable, HeldRequest
from gateways.http.ports import HttpParts
from gateways.http.token_checks import Standing, TokenChecks
from gateways.http.waiters import Waiters
from gateways.http.wheel import Wheel

SLICE = 256
_log = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """What a reading after a seq gave: the octets to send, and the seq that they reach; the head as it then stood."""

    octets: bytes
    next: int
    head: int


class Form(Protocol):
    """How an answer looks; equal ones give equal octets. Hashable."""

    def read(self, parts: HttpParts, mailbox_id: MailboxId, since: int) -> Found:
        """What there is after `since`, read now; in a thread of the pool."""


class Client(abc.ABC):
    """One who waits, the place where it stands, and the token that it waits on."""

    __slots__ = ("place", "request", "slot", "standing")
    standing: Standing

    def __init__(self, place: "Place") -> None:
        self.place = place
        self.slot = 0
        self.request: HeldRequest | None = None

    @abc.abstractmethod
    def told(self, found: Found) -> None:
        """Something new: send it, and leave the place."""

    @abc.abstractmethod
    def due(self) -> None:
        """Its time has come."""

    @abc.abstractmethod
    def let_go(self) -> None:
        """The service stops: end the answer."""

    @abc.abstractmethod
    def ended(self) -> None:
        """Its session has ended (`Waiting`): end the answer, and leave the place."""

    def lost(self) -> None:
        """The client has gone (`Holder`)."""
        self.place.leave(self)

    def writable(self) -> None:
        """The client has caught up (`Holder`): it is served what came meanwhile."""
        self.place.serve()


class Place:
    """A seq of a mailbox where clients stand that ask for the same form; watched like a client (`Waiters`)."""

    __slots__ = ("_serving", "clients", "form", "head", "mailbox_id", "room", "since")

    def __init__(self, room: "WaitingRoom", mailbox_id: MailboxId, since: int, form: Form) -> None:
        self.room = room
        self.mailbox_id = mailbox_id
        self.since = since
        self.form = form
        self.head = 0
        self.clients: set[Client] = set()
        """Who stands here."""
        self._serving: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many stand here."""
        return len(self.clients)

    def tell(self, head: int) -> None:
        """The mailbox's head is at least this."""
        self.head = max(self.head, head)
        self.serve()

    def give_up(self) -> None:
        """The service stops."""
        for client in list(self.clients):
            client.let_go()
            self.leave(client)

    def admit(self, client: Client, request: Answerable, *, due_after_s: float, head: int) -> None:
        """It stands here from now on, its request taken over; the head was this when it was last read."""
        client.request = request.hold(client)
        if client.request is None:
            self.leave(client)
            return
        self.clients.add(client)
        self.room.wheel.put(client, after_s=due_after_s)
        self.tell(head)

    def move(self, client: Client, seq: int, *, head: int) -> None:
        """It goes on to the place at `seq`; the head was this when it was last read."""
        there = self.room.place(self.mailbox_id, seq, self.form)
        there.clients.add(client)
        client.place = there
        self.clients.discard(client)
        self.room.close_if_empty(self)
        there.tell(head)

    def leave(self, client: Client) -> None:
        """It stands here no more, has no time and no request any more; safe to repeat."""
        client.request = None
        self.clients.discard(client)
        self.room.wheel.take(client)
        self.room.tokens.leave(client)
        self.room.close_if_empty(self)

    def serve(self) -> None:
        """Begin to send what is new to those who can take it, if there is anything and anybody."""
        if self._serving is None and self._has_news():
            self._serving = asyncio.get_running_loop().create_task(self._serve())
            self._serving.add_done_callback(self._served)

    def _has_news(self) -> bool:
        return self.head > self.since and any(_is_quick(client) for client in self.clients)

    async def _serve(self) -> None:
        while self._has_news():
            found = await self.room.read(self.form, self.mailbox_id, self.since)
            if found.next <= self.since:
                self.head = found.head
                return
            await self.room.tokens.look(self.clients)
            await self._send(found)

    async def _send(self, found: Found) -> None:
        clients = list(self.clients)  # whoever comes meanwhile is served by the next reading
        for start in range(0, len(clients), SLICE):
            for client in clients[start : start + SLICE]:
                if client in self.clients and _is_quick(client) and client.standing.is_sure:
                    client.told(found)
            await asyncio.sleep(0)

    def _served(self, task: "asyncio.Task[None]") -> None:
        """A reading that failed is tried again when the poll behind tells the head again."""
        self._serving = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%d clients could not be told of what is new: %r", len(self.clients), error)


class WaitingRoom:
    """All places. `read` reads in the pool."""

    def __init__(
        self,
        waiters: Waiters,
        wheel: Wheel,
        tokens: TokenChecks,
        *,
        read: Callable[[Form, MailboxId, int], Awaitable[Found]],
    ) -> None:
        self._waiters = waiters
        self.tokens = tokens
        self._places: dict[tuple[MailboxId, int, Form], Place] = {}
        self.wheel = wheel
        self.read = read

    def place(self, mailbox_id: MailboxId, since: int, form: Form) -> Place:
        """Where those stand who know the mailbox up to this seq; made where nobody does yet."""
        key = (mailbox_id, since, form)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(self, mailbox_id, since, form)
            self._waiters.add(place)
        return place

    def close_if_empty(self, place: Place) -> None:
        """A place where nobody stands is watched no more."""
        if place.clients:
            return
        key = (place.mailbox_id, place.since, place.form)
        if self._places.get(key) is place:
            del self._places[key]
            self._waiters.remove(place)


def _is_quick(client: Client) -> bool:
    return client.request is not None and not client.request.is_slow
