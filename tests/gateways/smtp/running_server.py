"""A server on real sockets, and a client that says exactly what it is told to."""

import asyncio
import socket
import threading


class RunningServer:
    """A server on a loop of its own thread; `port` is where it listens."""

    def __init__(self, server_of, loop: asyncio.AbstractEventLoop, *, begins_with_tls: bool = False) -> None:
        self.loop = loop
        self._thread = threading.Thread(target=loop.run_forever)
        self._thread.start()
        self.server = self.do(server_of())
        listen = self.server.listen_with_tls if begins_with_tls else self.server.listen
        self.do(listen("127.0.0.1", 0))
        [(self.address, self.port)] = self.server.addresses

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def connect(self) -> "Wire":
        return Wire(socket.create_connection((self.address, self.port), timeout=20))

    def end(self) -> None:
        if not self.loop.is_closed():
            self.do(self.server.stop(deadline_s=5))
            self.halt()

    def halt(self) -> None:
        """End the loop, whatever is under way on it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def stop_and_halt(self) -> None:
        """Stop the server, and the loop in the very turn in which it has stopped."""

        async def stop() -> None:
            await self.server.stop(deadline_s=0)
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(stop(), self.loop)
        self._thread.join()
        self.loop.close()


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("rb")

    def say(self, text: str | bytes) -> "Wire":
        self.connection.sendall(text.encode() if isinstance(text, str) else text)
        return self

    def hear(self) -> str:
        """The next reply's last line; nothing once the connection has ended."""
        try:
            line = self.lines.readline()
            while line[3:4] == b"-":
                line = self.lines.readline()
        except ConnectionResetError:
            return ""
        return line.decode().strip()

    def all_in(self, recipient: str = "ann") -> "Wire":
        self.hear()
        self.say(f"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<{recipient}@example.test>\r\nDATA\r\n")
        assert [self.hear()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        return self
