"""One connection to another host: octets out under back-pressure, replies in, TLS begun on it."""

import asyncio
import ssl
from collections import deque
from typing import cast

from gateways.relay.patience import PIECE_BYTES
from gateways.relay.replies import Reply, ReplyGarbledError, ReplyReader

MAX_UNREAD_REPLIES = 2_000
"""More than any pipeline asks for."""


class ChannelBrokenError(Exception):
    """The connection is lost, hangs, or says what is no reply; the text says which."""


class Channel(asyncio.Protocol):
    """Made by `connect`. One task at a time writes and awaits replies."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._broken: str | None = None

    @property
    def is_broken(self) -> bool:
        """Whether nothing more can be said on it."""
        return self._broken is not None

    @property
    def has_unasked(self) -> bool:
        """Whether something came that was not asked for: a host that ends the session, or somebody in between."""
        return bool(self._replies) or self._reader.has_rest

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS of the connection, if any."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return found if isinstance(found, ssl.SSLObject) else None

    async def reply(self, timeout_s: float) -> Reply:
        """The next reply.

        Raises: ChannelBrokenError
        """
        if not self._replies and self._broken is None:
            await self._more(timeout_s)
        if not self._replies:
            raise ChannelBrokenError(self._broken or "the connection is lost")
        return self._replies.popleft()

    async def write(self, data: bytes | memoryview, timeout_s: float) -> None:
        """Hand out in pieces, the next when the far side takes it.

        Raises: ChannelBrokenError
        """
        view = memoryview(data)
        for at in range(0, len(view), PIECE_BYTES):
            if self._broken is not None or self._transport is None:
                raise ChannelBrokenError(self._broken or "the connection is lost")
            self._transport.write(view[at : at + PIECE_BYTES])
            if not self._writable.is_set():
                await self._drained(timeout_s)

    async def start_tls(self, context: ssl.SSLContext, hostname: str, timeout_s: float) -> None:
        """Hold the handshake; a reply that came before it is nobody's (RFC 3207 section 4.2).

        Raises: ChannelBrokenError, ssl.SSLError, OSError, TimeoutError
        """
        assert self._transport is not None
        if self.has_unasked:
            raise ChannelBrokenError("something was said between STARTTLS and the handshake")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            transport = await loop.start_tls(
                self._transport, self, context, server_hostname=hostname, ssl_handshake_timeout=timeout_s
            )
        if transport is None:
            raise ChannelBrokenError("the connection is lost in the handshake")
        self._transport, self._reader = transport, ReplyReader()

    def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
        self._break("closed")

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's

    def data_received(self, data: bytes) -> None:
        """Replies."""
        try:
            self._replies.extend(self._reader.feed(data))
        except ReplyGarbledError as error:
            self._break(str(error))
        if len(self._replies) > MAX_UNREAD_REPLIES:
            self._break("it talks without being asked")
        if self._broken is not None and self._transport is not None:
            self._transport.abort()
        self._wake()

    def eof_received(self) -> bool:
        """It says no more."""
        self._break("the connection was closed by the other host")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self._break(f"the connection is lost: {error}" if error else "the connection was closed by the other host")

    def pause_writing(self) -> None:
        """The far side takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It takes more."""
        self._writable.set()

    def _break(self, why: str) -> None:
        if self._broken is None:
            self._broken = why
        self._writable.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _more(self, timeout_s: float) -> None:
        """Until a reply is there or none will come; also while octets trickle in."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                while not self._replies and self._broken is None:
                    self._waiting = loop.create_future()
                    await self._waiting
        except TimeoutError:
            self._break("it did not answer in time")
            if self._transport is not None:
                self._transport.abort()

    async def _drained(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._writable.wait()
        except TimeoutError:
            self.close()
            raise ChannelBrokenError("it takes no more of the message") from None


async def connect(address: str, port: int, *, source: str | None, timeout_s: float) -> Channel:
    """A channel to the address, from our address `source` where one is given.

    Raises: ChannelBrokenError
    """
    loop = asyncio.get_running_loop()
    local = None if source is None else (source, 0)
    try:
        async with asyncio.timeout(timeout_s):
            _transport, channel = await loop.create_connection(Channel, address, port, local_addr=local)
    except TimeoutError:
        raise ChannelBrokenError("it cannot be reached: no answer") from None
    except OSError as error:
        raise ChannelBrokenError(f"it cannot be reached: {error.strerror or error}") from error
    return channel
