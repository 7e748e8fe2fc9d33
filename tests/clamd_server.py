"""A small clamd of the tests' own: the real protocol over a socket, and a signature that is the EICAR test file's."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.stack_servers.clamav import EICAR as EICAR

THREAT = "Eicar-Test-Signature"


class ClamdServer(socketserver.ThreadingTCPServer):
    """Finds EICAR in what is streamed to it. `scanned` counts the streams that were read to their end."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Conversation)
        self.scanned = 0
        self.largest_bytes = 10**9
        self.signatures = 27000
        self.says = b""
        """In place of every verdict, where it is set."""
        self.answers = threading.Event()
        """While it is clear, streams are read and not answered."""
        self.answers.set()
        self.asked = threading.Event()

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"{host!s}:{port}"


class _Conversation(socketserver.BaseRequestHandler):
    request: socket.socket
    server: ClamdServer

    def handle(self) -> None:
        self._lines = self.request.makefile("rb")
        match self._command():
            case b"zPING":
                self._say(b"PONG")
            case b"zVERSION":
                self._say(b"ClamAV 1.4.6/%d/Fri Nov 27 09:00:00 2026" % self.server.signatures)
            case b"zINSTREAM":
                self._stream()
            case _:
                self._say(b"UNKNOWN COMMAND")

    def _command(self) -> bytes:
        command = b""
        while (octet := self._lines.read(1)) not in (b"", b"\0"):
            command += octet
        return command

    def _stream(self) -> None:
        content = b""
        while length := int.from_bytes(self._lines.read(4), "big"):
            content += self._lines.read(length)
            if len(content) > self.server.largest_bytes:
                self._say(b"INSTREAM size limit exceeded. ERROR")
                return
        self.server.asked.set()
        self.server.answers.wait(60)
        self.server.scanned += 1
        found = b"stream: %b FOUND" % THREAT.encode() if EICAR in content else b"stream: OK"
        self._say(self.server.says or found)

    def _say(self, reply: bytes) -> None:
        try:
            self.request.sendall(reply + b"\0")
        except OSError:
            return


@contextmanager
def clamd_server(port: int = 0) -> Iterator[ClamdServer]:
    """One that runs."""
    with ClamdServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.answers.set()
            server.shutdown()
            thread.join()
