"""What is said to a clamd and what it says, in its own words (clamd(8), "COMMANDS"); without sockets.

Commands begin with `z` and end with NUL, and so do the replies to them: no name of a file or virus can end one early.
"""

import re
from collections.abc import Iterator

from gateways.virus.scanning import CLEAN, INFECTED, TOO_LARGE, Scan, ScannerAwayError

PING = b"zPING\0"
PONG = b"PONG"
VERSION = b"zVERSION\0"
INSTREAM = b"zINSTREAM\0"
END = b"\0\0\0\0"
"""A chunk of no octets ends the stream."""
CHUNK_BYTES = 64 * 1024
MAX_REPLY_BYTES = 4096
_MAX_THREAT_CHARS = 200
_FOUND = re.compile(r"(?:stream|instream\([^)]*\)): (.+) FOUND", re.IGNORECASE | re.DOTALL)
_CLEAN = re.compile(r"(?:stream|instream\([^)]*\)): OK", re.IGNORECASE)
_LIMIT = "size limit exceeded"


def chunks(data: bytes) -> Iterator[bytes]:
    """The octets as chunks: each behind its length in four octets, the highest first."""
    for start in range(0, len(data), CHUNK_BYTES):
        chunk = data[start : start + CHUNK_BYTES]
        yield len(chunk).to_bytes(4, "big") + chunk


def verdict(reply: bytes) -> Scan:
    """What the reply to INSTREAM says, less its NUL.

    Raises: ScannerAwayError, where it says that nothing was found out.
    """
    text = reply.decode(errors="replace").strip()
    if (found := _FOUND.fullmatch(text)) is not None:
        return Scan(INFECTED, shown(found[1]))
    if _CLEAN.fullmatch(text):
        return Scan(CLEAN)
    if _LIMIT in text.lower():
        return Scan(TOO_LARGE)
    raise ScannerAwayError(f"clamd says {shown(text)!r}")


def version(reply: bytes) -> str:
    """Who scans with what: `ClamAV 1.4.3/27000`, of `ClamAV 1.4.3/27000/Fri Nov 27 09:00:00 2026`."""
    return shown("/".join(reply.decode(errors="replace").split("/")[:2]))


def shown(text: str) -> str:
    """The text in one bounded line of what can be printed."""
    return "".join(char if char.isprintable() else "?" for char in text).strip()[:_MAX_THREAT_CHARS]
