"""The two kinds of clients that wait at `/sync`: calls with `wait`, and live streams (server-sent events)."""

import msgspec

from domain.ids import MailboxId
from gateways.http.octets import END, chunk, whole, with_request_id
from gateways.http.operations import Answer
from gateways.http.ports import HttpParts
from gateways.http.problems import ProblemError
from gateways.http.responses import compressed, of_problem
from gateways.http.sync_pages import as_events, read_answer, read_page
from gateways.http.sync_query import SyncQuery
from gateways.http.waiting_room import Client, Found, Place

KEEPALIVE_S = 20.0
CHECKED_EVERY = 3
"""After so many comments a stream where nothing is new asks whether its token still stands: within a minute."""
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
    """A call in this form that waits for its one answer; when nothing new came in time it is answered `in_vain`."""

    __slots__ = ("_form", "_in_vain", "_request_id")

    def __init__(self, place: Place, form: WaitForm, in_vain: Answer, request_id: str) -> None:
        super().__init__(place)
        self._form = form
        self._in_vain = in_vain
        self._request_id = request_id

    def told(self, found: Found) -> None:
        """Answer."""
        self._answer(found.octets)

    def due(self) -> None:
        """Nothing came: that is the answer, if its token still stands; nothing in it is new, so in an outage too."""
        asking = self.place.room.tokens.ask([self])
        if asking is None:
            self.let_go()
        else:
            asking.add_done_callback(lambda _asked: self.let_go())

    def let_go(self) -> None:
        """Nothing came while the service ran."""
        self._answer(self._form.octets(self._in_vain))

    def ended(self) -> None:
        """The answer is that of a request whose token is none."""
        self._answer(self._form.octets(of_problem(ProblemError("token_invalid"), request=self._request_id)))

    def _answer(self, octets: bytes) -> None:
        request = self.request
        self.place.leave(self)
        if request is not None:
            request.finish(with_request_id(octets, self._request_id))


class LiveStream(Client):
    """A stream of events with a comment every twenty seconds."""

    __slots__ = ("_beats",)

    def __init__(self, place: Place) -> None:
        super().__init__(place)
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
            self.place.room.tokens.ask([self])

    def let_go(self) -> None:
        """The stream is at its end."""
        request = self.request
        self.place.leave(self)
        if request is not None:
            request.finish(END)

    def ended(self) -> None:
        """The stream is at its end."""
        self.let_go()
