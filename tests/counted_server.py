"""A way to a server that counts what its clients send."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

CHUNK = 65_536


class CountedWay:
    """Listens on loopback and hands on to the server behind it."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sent = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def sent_bytes(self) -> int:
        """What was sent since this was last asked for."""
        with self._lock:
            sent, self._sent = self._sent, 0
            return sent

    def close(self) -> None:
        """Take nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            for _ in count():
                client, _ = self._listener.accept()
                server = socket.create_connection(self._behind)
                threading.Thread(target=self._hand_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(server, client, False), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(CHUNK):
                if is_counted:
                    with self._lock:
                        self._sent += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def counted_way(host: str, port: int) -> Iterator[CountedWay]:
    """A way to the server of this address."""
    way = CountedWay(host, port)
    try:
        yield way
    finally:
        way.close()
