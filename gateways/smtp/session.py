"""One connection on the event loop: a conversation, its socket, its clock and its calls of the reception."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Executor, Future
from ssl import SSLContext, SSLError
from typing import Any, Protocol, cast

from domain.commands import Refusal
from gateways.accounts import AccountsUnavailableError
from gateways.reception import Reception, StorageFullError, TemporarilyUnavailableError, Verdict
from gateways.screening import Screening
from gateways.smtp import replies
from gateways.smtp.acceptances import Acceptances
from gateways.smtp.actions import (
    Accept,
    Action,
    Blocking,
    Close,
    Consult,
    Drain,
    Judge,
    Outcome,
    Pause,
    Remember,
    Screen,
    Send,
    StartTls,
    Submit,
)
from gateways.smtp.admission import source_of
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.greylist import Greylist
from gateways.smtp.host import Host
from gateways.smtp.intake import Intake
from gateways.smtp.looking import Looking
from gateways.smtp.records import Records
from gateways.smtp.standing import Doorkeeper, Standing

_HANDSHAKE_TIMEOUT_S = 60.0
_LINGER_S = 10.0
_EXPECTED_FAILURES = (
    StorageFullError,
    TemporarilyUnavailableError,
    AccountsUnavailableError,
    Refusal,
    asyncio.CancelledError,
)


class Door(Protocol):
    """What all sessions of a server share."""

    host: Host
    reception: Reception
    executor: Executor
    acceptances: Acceptances
    ssl_context: SSLContext | None
    looking: Looking
    doorkeeper: Doorkeeper | None
    greylist: Greylist | None
    records: Records
    read_buffer: memoryview
    """One for all sessions: what is read into it is copied out before the loop does anything else."""

    def conversation(self, client: Client) -> Conversation:
        """What is said to this client."""
        ...

    def intake(self) -> Intake:
        """What does its blocking calls."""
        ...

    def enters(self, session: "Session", source: str) -> bool:
        """Whether the session is let in; if so it counts until it `leaves`."""
        ...

    def leaves(self, session: "Session", source: str) -> None:
        """An admitted session has ended."""
        ...


class Session(asyncio.BufferedProtocol):
    """Reads at most one buffer ahead while a call runs, and nothing while the other side does not read its replies."""

    def __init__(self, door: Door, came_from: str | None = None, *, begins_with_tls: bool = False) -> None:
        """`came_from` is the client's address, where a proxy has told it; with implicit TLS (RFC 8314 section 3) the
        handshake comes before the greeting."""
        self._door = door
        self._came_from = came_from
        self._begins_with_tls = begins_with_tls
        self._loop = asyncio.get_running_loop()
        self._intake = door.intake()
        self._transport: asyncio.Transport
        self._conversation: Conversation
        self._source = ""
        self._is_admitted = False
        self._is_lost = False
        self._is_calling = False
        self._is_reading = True
        self._is_write_full = False
        self._is_drain_awaited = False
        self._is_half_closed = False
        self._heard_at_s = self._mail_at_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._screening: asyncio.Task[Screening] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[Standing] | None = None

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = self._came_from or (peer[0] if isinstance(peer, tuple) else "")
        host = self._door.host
        self._conversation = self._door.conversation(Client(address))
        self._source = source_of(address)
        self._is_admitted = self._door.enters(self, self._source)
        if not self._is_admitted:
            self._transport.write(replies.closing(host.hostname, replies.TOO_MANY_CONNECTIONS))
            self._transport.close()
            return
        if self._door.doorkeeper is not None:
            self._looking = self._loop.create_task(self._door.doorkeeper.look(address))
        if self._begins_with_tls:
            self._timer = self._loop.call_later(_HANDSHAKE_TIMEOUT_S, self.abort)
        elif host.limits.greeting_delay_s > 0:
            self._timer = self._loop.call_later(host.limits.greeting_delay_s, self._greet)
        else:
            self._greet()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._door.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._is_admitted:
            return
        if self._begins_with_tls and self._handshake is None:
            self._begin_tls(bytes(self._door.read_buffer[:nbytes]))
            return
        if self._conversation.is_waiting:
            self._stop_reading()
        self._heard_at_s = self._loop.time()
        self._perform(self._conversation.receive(bytes(self._door.read_buffer[:nbytes])))

    def eof_received(self) -> bool:
        self._is_half_closed = True
        return self._is_calling  # then what is under way is still answered

    def pause_writing(self) -> None:
        self._is_write_full = True
        self._stop_reading()

    def resume_writing(self) -> None:
        self._is_write_full = False
        if self._is_drain_awaited:
            self._is_drain_awaited = False
            self._perform(self._conversation.resume(None))
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_admitted:
            return
        if self._pause is not None:
            self._pause.cancel()
        if self._screening is not None:
            self._screening.cancel()  # what it has in hand is discarded when it has let go of it
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
        self._leave()
        if not self._is_calling:
            self._discard()

    def _leave(self) -> None:
        """At the end of a handshake that is under way: a server that has stopped has left nothing on its loop."""
        if self._handshake is None or self._handshake.done():
            self._door.leaves(self, self._source)
        else:
            self._handshake.add_done_callback(lambda _done: self._door.leaves(self, self._source))

    # What the server calls

    def shut_down(self) -> None:
        """End now when idle, or amid a handshake, in which nothing can be said; else after the message under way."""
        if self._handshake is not None and not self._handshake.done():
            self.abort()
            return
        self._perform(self._conversation.shut_down())
        if self._pause is not None:
            self._pause.cancel()
            self._paused()

    def abort(self) -> None:
        """End now, whatever is under way."""
        if self._handshake is not None and not self._handshake.done():
            self._handshake.cancel()
            self.connection_lost(None)  # the loop tells nobody of a connection lost before its handshake
        self._transport.abort()

    # The actions

    def _greet(self) -> None:
        if self._is_lost or self._conversation.is_closed:
            return
        self._perform(self._conversation.greet())
        self._timer = self._loop.call_later(self._door.host.limits.command_timeout_s, self._look_at_clock)

    def _perform(self, actions: list[Action]) -> None:
        while actions:
            actions = [following for action in actions for following in self._do(action)]

    def _do(self, action: Action) -> list[Action]:
        """Do it, or begin to; what follows at once."""
        match action:
            case Send(data):
                if not self._transport.is_closing():
                    self._transport.write(data)
            case Close():
                self._transport.close()
            case Drain():
                self._drain()
            case StartTls():
                self._begin_tls()
            case Pause(seconds):
                self._pause = self._loop.call_later(seconds, self._paused)
            case Judge(recipient, size_bytes):
                verdict = self._door.reception.recall(recipient, size_bytes=size_bytes)
                if verdict is not None:
                    self._note(action, verdict)
                    return self._conversation.resume(verdict)
                self._call(action)
            case Screen():
                self._screen(action)
            case Consult():
                self._consult(action)
            case Remember():
                self._remember(action)
            case Accept() if not self._intake.has_spool:
                self._is_calling = True
                self._door.acceptances.submit(action, lambda outcome: self._called(action, outcome))
            case _:
                self._call(action)
        return []

    def _drain(self) -> None:
        if self._is_write_full:
            self._is_drain_awaited = True
        else:
            self._loop.call_soon(self._drained)

    def _drained(self) -> None:
        if self._is_lost:
            return
        self._perform(self._conversation.resume(None))
        self._read_on()

    def _paused(self) -> None:
        self._pause = None
        self._heard_at_s = self._loop.time()
        self._drained()

    def _call(self, action: Blocking) -> None:
        self._is_calling = True
        call = self._door.executor.submit(self._intake.perform, action)
        call.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._returned, action, done))

    def _remember(self, action: Remember) -> None:
        greylist = self._door.greylist
        assert greylist is not None, "only a host with one asks it"
        self._is_calling = True
        call = self._door.executor.submit(greylist.judge, action.triplet)
        call.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._returned, action, done))

    def _consult(self, action: Consult) -> None:
        self._is_calling = True
        if self._looking is None:
            self._loop.call_soon(self._called, action, None)
        else:
            self._looking.add_done_callback(lambda done: self._looked_up(action, done))

    def _looked_up(self, action: Consult, done: "asyncio.Task[Standing]") -> None:
        if done.cancelled():
            return
        self._called(action, done.exception() or done.result())

    def _screen(self, action: Screen) -> None:
        self._is_calling = True
        self._screening = self._loop.create_task(self._door.looking.look(action, self._intake.spooled))
        self._screening.add_done_callback(lambda done: self._screened(action, done))

    def _screened(self, action: Screen, done: "asyncio.Task[Screening]") -> None:
        self._screening = None
        if done.cancelled() and self._is_lost:
            self._is_calling = False
            self._discard()
            return
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        self._called(action, done.result() if failure is None else failure)

    def _returned(self, action: Blocking | Remember, call: "Future[Outcome] | Future[Verdict]") -> None:
        failure = call.exception()
        self._called(action, call.result() if failure is None else failure)

    def _called(self, action: Blocking | Consult | Pause | Remember | Screen, outcome: Outcome) -> None:
        self._is_calling = False
        failed = isinstance(outcome, BaseException)
        if failed and not isinstance(outcome, _EXPECTED_FAILURES):
            self._loop.call_exception_handler({"message": "reception failed", "exception": outcome, "protocol": self})
        if self._is_lost:
            self._discard()
            return
        self._heard_at_s = self._loop.time()
        if isinstance(action, Accept | Submit) and not failed:
            self._mail_at_s = self._heard_at_s
        self._note(action, outcome)
        self._perform(self._conversation.resume(outcome))
        self._read_on()

    def _note(self, action: Blocking | Consult | Pause | Remember | Screen, outcome: Outcome) -> None:
        """In the record of the address: what was taken, what was refused, and names that were tried out."""
        refused = isinstance(outcome, Screening) and outcome.is_refused
        if refused or outcome in (Verdict.UNKNOWN_MAILBOX, Verdict.NOT_SERVED):
            self._door.records.add(self._source, bad=1, now_s=self._loop.time())
        elif isinstance(action, Accept) and outcome is None:
            self._door.records.add(self._source, good=1, now_s=self._loop.time())

    def _discard(self) -> None:
        if self._intake.has_spool:
            self._door.executor.submit(self._intake.discard)

    def _begin_tls(self, first: bytes = b"") -> None:
        """`first` are the octets of the handshake that were read already: a transport that has just been made reads
        before anybody can tell it not to."""
        self._stop_reading()
        self._handshake = self._loop.create_task(self._start_tls(first))

    async def _start_tls(self, first: bytes) -> None:
        context = self._door.ssl_context
        assert context is not None, "TLS is only offered with a context"
        starting = self._loop.start_tls(
            self._transport, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_TIMEOUT_S
        )
        try:
            secured = await (_after(first, self._transport, starting) if first else starting)
        except (SSLError, OSError):  # the client will not, or cannot; RFC 3207 section 4.1 leaves nothing to say
            secured = None
        tls = secured.get_extra_info("ssl_object") if secured is not None else None
        cipher = tls.cipher() if tls is not None else None
        if secured is None or tls is None or cipher is None or self._is_lost:
            self._transport.abort()
            self.connection_lost(None)  # a handshake cut short tells only its waiter
            return
        if self._begins_with_tls and self._timer is not None:
            self._timer.cancel()
        self._transport, self._is_reading = secured, True
        self._perform(self._conversation.secured(f"{tls.version()} {cipher[0]}"))
        if self._begins_with_tls:
            self._greet()
        self._read_on()

    # Reading and time

    def _read_on(self) -> None:
        if self._is_half_closed and not self._is_calling:
            self._transport.close()
        elif self._may_read() and not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()

    def _may_read(self) -> bool:
        return not (self._conversation.is_waiting or self._is_write_full or self._transport.is_closing())

    def _stop_reading(self) -> None:
        if self._is_reading and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def _look_at_clock(self) -> None:
        """End who is silent, or who brought no mail for too long; never while a call of ours runs."""
        limits = self._door.host.limits
        silence_s = limits.command_timeout_s if self._conversation.is_idle else limits.data_timeout_s
        left_s = min(self._heard_at_s + silence_s, self._mail_at_s + limits.mail_timeout_s) - self._loop.time()
        if left_s <= 0 and not self._is_calling:
            self._perform(self._conversation.time_out())
            self._timer = self._loop.call_later(_LINGER_S, self.abort)
            return
        self._timer = self._loop.call_later(max(left_s, 1.0), self._look_at_clock)


async def _after(
    first: bytes, transport: asyncio.Transport, starting: Coroutine[Any, Any, asyncio.Transport | None]
) -> asyncio.Transport | None:
    """What `starting`, a handshake on the transport, comes to when these octets come before what is yet to be read."""
    handshake = asyncio.ensure_future(starting)
    try:
        for _step in ("the handshake takes the transport over", "and is told that it stands"):
            await asyncio.sleep(0)
        protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
        while first and not handshake.done():
            buffer = memoryview(protocol.get_buffer(len(first))).cast("B")
            count = min(len(buffer), len(first))
            buffer[:count] = first[:count]
            protocol.buffer_updated(count)
            first = first[count:]
        return await handshake
    except (Exception, asyncio.CancelledError):  # not GeneratorExit: on a loop that is closed nothing is cancelled
        handshake.cancel()
        await asyncio.wait([handshake])
        raise
