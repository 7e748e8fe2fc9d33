"""The two kinds of clients that wait at `/sync`: calls with `wait`, and live streams (server-sent events)."""

from collections.abc import Callable

import msgspec

from domain.ids import MailboxId
from gateways.http.octets import END, chunk, whole
from gateways.http.operations import Answer
from gateways.http.ports import HttpParts
from gateways.http.responses import compressed
from gateways.http.sync_pages import as_events, read_answer, read_page
from gateways.http.sync_query import SyncQuery
from gateways.http.waiting_room import Client, Found, Place

KEEPALIVE_S = 20.0
CHECKED_EVERY = 3
"""After so many comments a stream asks whether its token still stands: within a minute."""
_COMMENT = chunk(b": still here\n\n")
STREAMED_AT_ONCE = 500


class WaitForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an answer to a call that waits."""

    limit: int
    fold: bool
    zipped: bool
    keep_alive: bool

    def read(self, parts: HttpParts, mailbox_id: MailboxId, since: int) -> Found:
        """What is new, as a whole answer."""
        read = read_answer(parts, mailbox_id, SyncQuery(since=since, limit=self.limit, fold=self.fold))
        return Found(self.octets(read.answer), read.next, read.head)

    def octets(self, answer: Answer) -> bytes:
        """An answer in this form."""
        return whole(answer, zipped=compressed(answer) if self.zipped else None, keep_alive=self.keep_alive)


class StreamForm(msgspec.Struct, frozen=True):
    """The form of a live stream: events as they come."""

    def read(self, parts: HttpParts, mailbox_id: MailboxId, since: int) -> Found:
        """What is new, as a part of the stream."""
        page = read_page(parts, mailbox_id, SyncQuery(since=since, limit=STREAMED_AT_ONCE))
        return Found(chunk(as_events(page)), page.next, page.head)


class WaitingCall(Client):
    """A call that waits for its one answer. `in_vain` gives what it is answered when nothing new came in time."""

    __slots__ = ("_in_vain",)

    def __init__(self, place: Place, in_vain: Callable[[], bytes]) -> None:
        super().__init__(place)
        self._in_vain = in_vain

    def told(self, found: Found) -> None:
        """Answer."""
        self._answer(found.octets)

    def due(self) -> None:
        """Nothing came."""
        self._answer(self._in_vain())

    def let_go(self) -> None:
        """Nothing came while the service ran."""
        self._answer(self._in_vain())

    def _answer(self, octets: bytes) -> None:
        request = self.request
        self.place.leave(self)
        if request is not None:
            request.finish(octets)


class LiveStream(Client):
    """A stream of events with a comment every twenty seconds; `check` looks whether its token still stands."""

    __slots__ = ("_beats", "_check", "token")

    def __init__(self, place: Place, token: str, check: Callable[["LiveStream"], None]) -> None:
        super().__init__(place)
        self.token = token
        self._check = check
        self._beats = 0

    def told(self, found: Found) -> None:
        """Send the events and go on to where they end."""
        assert self.request is not None
        self.request.write(found.octets)
        self.place.move(self, found.next, head=found.head)

    def due(self) -> None:
        """A comment; now and then the token is looked at."""
        self.place.room.wheel.put(self, after_s=KEEPALIVE_S)
        if self.request is not None and not self.request.is_slow:
            self.request.write(_COMMENT)
        self._beats += 1
        if self._beats % CHECKED_EVERY == 0:
            self._check(self)

    def let_go(self) -> None:
        """The stream is at its end."""
        request = self.request
        self.place.leave(self)
        if request is not None:
            request.finish(END)
