"""The listening side of reception: admits sessions, and lets them end in peace."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from ssl import SSLContext

from gateways.proxy.header import Source
from gateways.proxy.introductions import Introductions
from gateways.reception import Reception
from gateways.screening import Screener
from gateways.smtp.acceptances import Acceptances
from gateways.smtp.admission import Admission, ConnectionRate, OwnRate
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.greylist import Greylist
from gateways.smtp.host import Host
from gateways.smtp.intake import Intake
from gateways.smtp.looking import Looking
from gateways.smtp.records import Records
from gateways.smtp.session import Session
from gateways.smtp.standing import Doorkeeper
from gateways.virus.policy import REFUSES
from gateways.virus.scanning import DoorScanner

_READ_BYTES = 32 * 1024


class SmtpServer:
    """One SMTP or LMTP server, as its host's dialect says, on any number of addresses of one event loop.

    `executor` bounds how many calls of the reception run at once; it must outlive `stop`. `rate` counts new connections
    beyond this process. `screener` looks at messages before they are accepted, `scanner` for viruses in them, about
    which `on_virus` says what is done (`gateways.virus.policy`), `doorkeeper` at addresses that connect.
    """

    def __init__(
        self,
        host: Host,
        *,
        reception: Reception,
        executor: Executor,
        ssl_context: SSLContext | None = None,
        introductions: Introductions | None = None,
        rate: ConnectionRate | None = None,
        screener: Screener | None = None,
        scanner: DoorScanner | None = None,
        on_virus: str = REFUSES,
        doorkeeper: Doorkeeper | None = None,
        greylist: Greylist | None = None,
    ) -> None:
        self.host = replace(
            host,
            is_screened=screener is not None,
            is_scanned=scanner is not None,
            asks_standing=doorkeeper is not None,
        )
        self.looking = Looking(screener, scanner, executor, on_virus=on_virus)
        self.doorkeeper = doorkeeper
        self.greylist = greylist
        self.reception = reception
        self.executor = executor
        self.acceptances = Acceptances(reception, executor)
        self.ssl_context = ssl_context
        self._introductions = introductions or Introductions()
        self.read_buffer = memoryview(bytearray(_READ_BYTES))
        self.records = Records()
        self._sessions: set[Session] = set()
        self._listeners: list[asyncio.Server] = []
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._admission = Admission(
            connections=host.limits.connections,
            connections_per_address=host.limits.connections_per_address,
            rate=rate or OwnRate(host.limits.new_connections_per_s),
            records=self.records,
        )

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens: address and port, in the order of `listen`."""
        return [socket.getsockname()[:2] for listener in self._listeners for socket in listener.sockets]

    @property
    def connections(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    async def listen(self, address: str, port: int) -> None:
        """Take connections there, port 0 meaning any free one.

        Raises: OSError
        """
        await self._listen(self._session, address, port)

    async def listen_with_tls(self, address: str, port: int) -> None:
        """`listen`, for clients that begin with the handshake (RFC 8314 section 3). Needs a context.

        Raises: OSError
        """
        await self._listen(self._session_with_tls, address, port)

    async def _listen(self, session: Callable[[Source | None], Session], address: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._listeners.append(
            await loop.create_server(lambda: self._introductions.protocol(session), address, port, backlog=512)
        )

    def _session(self, source: Source | None) -> Session:
        return Session(self, None if source is None else source.address)

    def _session_with_tls(self, source: Source | None) -> Session:
        return Session(self, None if source is None else source.address, begins_with_tls=True)

    def conversation(self, client: Client) -> Conversation:
        """Part of `Door`."""
        return Conversation(self.host, client=client, offers_tls=self.ssl_context is not None)

    def intake(self) -> Intake:
        """Part of `Door`."""
        return Intake(self.reception)

    async def stop(self, *, deadline_s: float) -> None:
        """Take no new connection, end idle sessions with 421 4.3.2, let messages under way finish until the deadline.

        Safe to repeat.
        """
        for listener in self._listeners:
            listener.close()
        self._introductions.close()
        for session in tuple(self._sessions):
            session.shut_down()
        try:
            async with asyncio.timeout(deadline_s):
                await self._is_empty.wait()
        except TimeoutError:
            for session in tuple(self._sessions):
                session.abort()
            await self._is_empty.wait()

    def enters(self, session: Session, source: str) -> bool:
        """Part of `Door`."""
        if not self._admission.admits(source, now_s=asyncio.get_running_loop().time()):
            return False
        self._sessions.add(session)
        self._is_empty.clear()
        return True

    def leaves(self, session: Session, source: str) -> None:
        """Part of `Door`."""
        self._admission.release(source)
        self._sessions.discard(session)
        if not self._sessions:
            self._is_empty.set()
