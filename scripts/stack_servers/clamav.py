"""A clamd: the machine's own, with the signatures that it has, or where it has none with one of the EICAR test file."""

import shutil
import signal
import socket
from pathlib import Path

from scripts.stack_servers import tools
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""Harmless, and taken for a virus by every scanner (eicar.org); in two parts, so that this file is not."""
INSTALLED = Path("/var/lib/clamav")
_CONFIGURATION = """\
DatabaseDirectory {database}
OfficialDatabaseOnly no
TCPSocket {port}
TCPAddr {host}
TemporaryDirectory {temporary}
Foreground yes
LogSyslog no
StreamMaxLength 60M
MaxFileSize 60M
MaxScanSize 200M
MaxScanTime 20000
AlertExceedsMax yes
"""
_ASK_S = 2.0


class ClamAv:
    """The server `clamav`."""

    name = "clamav"
    purposes = ("clamd",)
    ask_with = signal.SIGTERM

    def install(self, place: Place) -> None:
        """Debian's package, where the machine has none."""
        tools.require("clamd", debian="clamav-daemon", place=place)

    def command(self, place: Place) -> Command:
        """Its configuration, its own signatures, and to stay in front."""
        temporary = place.folder / "tmp"
        temporary.mkdir(mode=0o700, exist_ok=True)
        path = place.folder / "clamd.conf"
        text = _CONFIGURATION.format(
            database=_signatures(place), port=place.ports["clamd"], host=LOOPBACK, temporary=temporary
        )
        path.write_text(text)
        return Command((shutil.which("clamd") or "clamd", "--config-file", path))

    def is_ready(self, place: Place) -> bool:
        """Whether it answers."""
        with socket.create_connection((LOOPBACK, place.ports["clamd"]), timeout=_ASK_S) as connection:
            connection.sendall(b"zPING\0")
            return connection.recv(16) == b"PONG\0"

    def variables(self, place: Place) -> dict[str, str]:
        """Where it is."""
        return {"LEDGERMAIL_CLAMD": f"{LOOPBACK}:{place.ports['clamd']}"}


def _signatures(place: Place) -> Path:
    """The machine's, kept up to date by its freshclam, or a folder with a single one."""
    if any(INSTALLED.glob("daily.*")):
        return INSTALLED
    own = place.folder / "signatures"
    own.mkdir(mode=0o755, exist_ok=True)
    (own / "stack.ndb").write_text(f"Stack.Eicar-Test:0:*:{EICAR.hex()}\n")
    return own
