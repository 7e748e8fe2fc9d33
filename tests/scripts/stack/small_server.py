"""A server of a few lines, for what the stack does with any server."""

import signal
import socket
import sys
from pathlib import Path

from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

PROGRAM = """
import os, signal, socket, sys
port, record, words = int(sys.argv[1]), sys.argv[2], sys.argv[3]
print("known" if os.path.exists(record) else "unknown", flush=True)
if "fails" in words:
    sys.exit("cannot do it")
if "stays" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "mute" in words:
    signal.pause()
listener = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"ready")
    connection.close()
"""


class SmallServer:
    """Says "ready" to whoever connects. `words`: `fails` at its start, `mute` says nothing, `stays` ignores SIGTERM."""

    purposes = ("greeting",)
    ask_with = signal.SIGTERM

    def __init__(self, name: str, words: str = "-") -> None:
        self.name = name
        self.words = words
        self.installed = 0

    def install(self, place: Place) -> None:
        """Counts."""
        self.installed += 1

    def command(self, place: Place) -> Command:
        """The program above."""
        words = (str(place.ports["greeting"]), place.record, self.words)
        return Command((Path(sys.executable), "-c", PROGRAM, *words))

    def is_ready(self, place: Place) -> bool:
        """Whether it says so."""
        with socket.create_connection((LOOPBACK, place.ports["greeting"]), timeout=5) as connection:
            return connection.recv(16) == b"ready"

    def variables(self, place: Place) -> dict[str, str]:
        """Its port."""
        return {f"SMALL_{self.name.upper()}": str(place.ports["greeting"])}
