"""A clamd, spoken to over TCP: one connection a question."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from gateways.virus import clamd
from gateways.virus.scanning import TOO_LARGE, Scan, ScannerAwayError
from infra.settings_readers import ListenAddress
from infra.turnstile import Turnstile

CONNECT_S: Final = 3.0
PING_S: Final = 1.0
VERSION_S: Final = 5.0
SCAN_S: Final = 22.0
"""A sender waits for all who look at his mail for 30 s."""
VERSION_KEPT_S: Final = 60.0
"""New signatures make new answers after so long."""


class Clamd:
    """The scanner. Any number of event loops and threads may share it.

    After a failure nobody asks it for two seconds, and then one: nobody waits for a scanner that hangs behind others
    who do.
    """

    def __init__(self, address: ListenAddress, *, scan_s: float = SCAN_S, turnstile: Turnstile | None = None) -> None:
        self._address = address
        self.scan_s = scan_s
        self._turnstile = turnstile or Turnstile(ScannerAwayError, at_once=10_000)
        self._version = ""
        self._version_until_s = 0.0

    @property
    def last_version(self) -> str:
        """What it said it was when it was asked last; empty before."""
        return self._version

    async def scan(self, pieces: AsyncIterator[bytes], *, scan_s: float | None = None) -> Scan:
        """What it finds in these octets.

        Raises: ScannerAwayError; what reading the pieces raises.
        """
        try:
            with self._turnstile.passed(), _failures_named():
                return await self._scan(_apart(pieces), scan_s or self.scan_s)
        except _SlowContentError:
            return Scan(TOO_LARGE)
        except _ContentError as error:
            raise error.cause from None

    async def _scan(self, pieces: AsyncIterator[bytes], scan_s: float) -> Scan:
        try:
            async with asyncio.timeout(scan_s), _Line(self._address) as line:
                return clamd.verdict(await line.stream(pieces))
        except TimeoutError as error:
            await self.check()
            raise _SlowContentError from error

    async def version(self) -> str:
        """Who scans with which signatures, asked anew after a minute.

        Raises: ScannerAwayError
        """
        if time.monotonic() >= self._version_until_s:
            with self._turnstile.passed(), _failures_named():
                async with asyncio.timeout(VERSION_S), _Line(self._address) as line:
                    self._version = clamd.version(await line.ask(clamd.VERSION))
            self._version_until_s = time.monotonic() + VERSION_KEPT_S
        return self._version

    async def ping(self) -> None:
        """`check`, sooner, and not where it did not answer a moment ago.

        Raises: ScannerAwayError
        """
        with self._turnstile.passed():
            await self.check(within_s=PING_S)

    async def check(self, *, within_s: float = CONNECT_S) -> None:
        """Nothing, where it answers.

        Raises: ScannerAwayError
        """
        with _failures_named():
            async with asyncio.timeout(within_s), _Line(self._address) as line:
                if (reply := await line.ask(clamd.PING)) != clamd.PONG:
                    raise ScannerAwayError(f"clamd says {clamd.shown(reply.decode(errors='replace'))!r}")


class _SlowContentError(Exception):
    """It answers others, so the content is to blame."""


class _ContentError(Exception):
    """What reading the content raised: no fault of the scanner's."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def _apart(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, whose own errors are told apart from those of the network."""
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:
        raise _ContentError(error) from error


class _Line:
    """One connection to it. A socket and no stream: what it said before it hung up can be read after a failed write."""

    def __init__(self, address: ListenAddress) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket

    async def __aenter__(self) -> "_Line":
        async with asyncio.timeout(CONNECT_S):
            self._socket = await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def _connected(self) -> socket.socket:
        """To the first of its addresses that takes us."""
        failed: OSError = OSError("it has no address")
        found = await self._loop.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in found:
            tried = socket.socket(family, kind, protocol)
            tried.setblocking(False)
            try:
                await self._loop.sock_connect(tried, place)
            except OSError as error:
                tried.close()
                failed = error
            except BaseException:
                tried.close()
                raise
            else:
                return tried
        raise failed

    async def ask(self, command: bytes) -> bytes:
        """The reply, less its NUL."""
        await self._loop.sock_sendall(self._socket, command)
        return await self._reply()

    async def stream(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The reply to INSTREAM. Who hangs up before all is sent has said why."""
        await self._loop.sock_sendall(self._socket, clamd.INSTREAM)
        with suppress(ConnectionError):
            async for piece in pieces:
                for chunk in clamd.chunks(piece):
                    await self._loop.sock_sendall(self._socket, chunk)
            await self._loop.sock_sendall(self._socket, clamd.END)
        return await self._reply()

    async def _reply(self) -> bytes:
        said = b""
        while len(said) <= clamd.MAX_REPLY_BYTES:
            if not (more := await self._loop.sock_recv(self._socket, clamd.MAX_REPLY_BYTES)):
                raise ConnectionError("it hung up")
            said += more
            if b"\0" in more:
                return said.partition(b"\0")[0]
        raise ConnectionError("it says too much")


@contextmanager
def _failures_named() -> Iterator[None]:
    """What a network does becomes ScannerAwayError."""
    try:
        yield
    except TimeoutError as error:
        raise ScannerAwayError("clamd takes too long") from error
    except OSError as error:
        raise ScannerAwayError(f"clamd does not answer: {error}") from error
