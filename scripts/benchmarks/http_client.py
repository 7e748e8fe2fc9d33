"""HTTP as cheaply as a client can speak it: kept-alive sockets, requests as bytes, answers cut by their length."""

import asyncio
import re
from types import TracebackType
from typing import Self

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ANSWER_S = 75.0


class HttpRefusedError(Exception):
    """The answer was not 200."""


class HttpClient:
    """One connection of one account."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def get(self, target: str) -> bytes:
        """The body of the answer. Raises: HttpRefusedError, TimeoutError."""
        self._writer.write(request(target, self._token))
        async with asyncio.timeout(ANSWER_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await self._reader.readexactly(int(length[1]) if length else 0)
        status = _STATUS.match(head)
        if status is None or status[1] != b"200":
            raise HttpRefusedError(f"{target}: {head[:40]!r} {body[:200]!r}")
        return body


def request(target: str, token: str, *, accept: str = "application/json") -> bytes:
    """A GET of this target."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n\r\n"
    ).encode()
