"""Another host's SMTP server, on a real socket of loopback, that takes mail or is no help in the ways a test asks for.

Recipients decide for themselves: `defer-…@` gets 451, `reject-…@` 550, `full-…@` 452, any other 250.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EXTENSIONS = ("PIPELINING", "SIZE 10240000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
_OF_RECIPIENTS = {"defer": "451 4.3.0 later", "reject": "550 5.1.1 nobody of that name", "full": "452 4.5.3 too many"}


@dataclass
class Taken:
    """One message that was taken: envelope lines as they came, and its octets without the stuffed dots."""

    mail: str
    recipients: list[str]
    content: bytes
    tls: str | None = None

    @property
    def to(self) -> list[str]:
        return [line.partition("<")[2].partition(">")[0] for line in self.recipients]


@dataclass
class Sink:
    """What the host does. `replies` gives another reply to a command (its first word; `.` is the end of the data,
    `CONNECT` the greeting), `hangs_at` never answers one, `drops_at` closes the connection instead."""

    extensions: tuple[str, ...] = EXTENSIONS
    replies: dict[str, str | list[str]] = field(default_factory=dict)
    hangs_at: str = ""
    drops_at: str = ""
    tls: ssl.SSLContext | None = None
    knows_ehlo: bool = True
    most_recipients: int = 1000
    taken: list[Taken] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    connections: int = 0
    peers: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0
    on_taken: Callable[[Taken], None] | None = None

    @staticmethod
    def takes_its_time(seconds: float) -> None:
        """For `on_taken`: the host says nothing for so long."""
        threading.Event().wait(seconds)

    def reply(self, command: str, usual: str) -> str:
        own = self.replies.get(command)
        if isinstance(own, list):
            return own.pop(0) if own else usual
        return own or usual


class _Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.mail, self.recipients = "", list[str]()

    async def run(self) -> None:
        await self.answer("CONNECT", "220 sink.test ready")
        while (line := await self.reader.readline()).endswith(b"\r\n"):
            text = line[:-2].decode()
            self.sink.said.append(text)
            verb = text.split(" ", 1)[0].split(":", 1)[0].upper()
            await getattr(self, f"on_{verb.lower()}", self.on_unknown)(text)

    async def answer(self, command: str, usual: str) -> str:
        if self.sink.hangs_at == command:
            await asyncio.sleep(3600)
        if self.sink.drops_at == command:
            raise ConnectionError
        reply = self.sink.reply(command, usual)
        self.writer.write(f"{reply}\r\n".encode())
        await self.writer.drain()
        if reply.startswith("421"):
            raise ConnectionError
        return reply

    async def on_ehlo(self, _text: str) -> None:
        if not self.sink.knows_ehlo:
            await self.answer("EHLO", "500 5.5.1 what?")
            return
        words = [*self.sink.extensions]
        if self.sink.tls is not None and self.writer.get_extra_info("ssl_object") is None:
            words.append("STARTTLS")
        lines = ["sink.test", *words]
        usual = "\r\n".join(f"250{' ' if one is lines[-1] else '-'}{one}" for one in lines)
        await self.answer("EHLO", usual)

    async def on_helo(self, _text: str) -> None:
        await self.answer("HELO", "250 sink.test")

    async def on_starttls(self, _text: str) -> None:
        reply = await self.answer("STARTTLS", "220 go on")
        if reply.startswith("220"):
            assert self.sink.tls is not None
            await self.writer.start_tls(self.sink.tls)

    async def on_mail(self, text: str) -> None:
        self.mail, self.recipients = text, []
        if not (await self.answer("MAIL", "250 2.1.0 ok")).startswith("250"):
            self.mail = ""

    async def on_rcpt(self, text: str) -> None:
        if not self.mail:
            await self.answer("RCPT", "503 5.5.1 no MAIL")
            return
        kind = text.partition("<")[2].partition("-")[0]
        usual = _OF_RECIPIENTS.get(kind, "250 2.1.5 ok")
        if len(self.recipients) >= self.sink.most_recipients:
            usual = "452 4.5.3 too many recipients"
        if (await self.answer("RCPT", usual)).startswith("250"):
            self.recipients.append(text)

    async def on_data(self, _text: str) -> None:
        if not self.recipients:
            await self.answer("DATA", "503 5.5.1 no recipients")
            return
        if not (await self.answer("DATA", "354 go on")).startswith("354"):
            return
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
            lines.append(line[1:] if line.startswith(b".") else line)
        tls = self.writer.get_extra_info("ssl_object")
        taken = Taken(self.mail, self.recipients, b"".join(lines), tls.version() if tls is not None else None)
        mail, self.mail = self.mail, ""
        if self.sink.drops_at == "." or self.sink.reply(".", "250").startswith("250"):
            self.sink.taken.append(taken)
            if self.sink.on_taken is not None:
                self.sink.on_taken(taken)
        assert mail
        await self.answer(".", "250 2.0.0 taken")

    async def on_rset(self, _text: str) -> None:
        self.mail = ""
        await self.answer("RSET", "250 2.0.0 ok")

    async def on_quit(self, _text: str) -> None:
        await self.answer("QUIT", "221 2.0.0 bye")
        raise ConnectionError

    async def on_unknown(self, _text: str) -> None:
        await self.answer("?", "500 5.5.1 what?")


@contextmanager
def serving(*sinks: tuple[Sink, str], port: int = 0) -> Iterator[int]:
    """The sinks, each at its address of loopback, all at one port, which is given."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    stopping = asyncio.Event()
    found: list[int] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        servers = []
        at = port
        try:
            for sink, address in sinks:
                server = await asyncio.start_server(lambda r, w, s=sink: _handle(s, r, w), address, at)
                at = server.sockets[0].getsockname()[1]
                sink.port = at
                servers.append(server)
            found.append(at)
        except OSError as error:
            failures.append(error)
        started.set()
        await stopping.wait()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    try:
        if failures:
            raise failures[0]
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


async def _handle(sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sink.connections += 1
    sink.peers.append(writer.get_extra_info("peername")[0])
    sink.at_once += 1
    sink.most_at_once = max(sink.most_at_once, sink.at_once)
    try:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            await _Session(sink, reader, writer).run()
    finally:
        sink.at_once -= 1
        writer.close()
