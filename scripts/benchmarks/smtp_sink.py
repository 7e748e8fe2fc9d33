"""Another host's SMTP server that takes everything and keeps nothing, in a process of its own.

Says its port, then a line for every `EVERY` mails: how many it has taken by now.
"""

import asyncio
import sys
from typing import cast

import uvloop

EVERY = 10
_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0\r\n"
_END = b"\r\n.\r\n"
taken = 0


class Sink(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport, self._input, self._in_data = cast(asyncio.Transport, transport), b"", False
        self._transport.write(b"220 sink.test\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each command, and the end of each mail."""
        self._input += data
        replies: list[bytes] = []
        while (reply := self._next()) is not None:
            replies.append(reply)
        self._transport.write(b"".join(replies))

    def _next(self) -> bytes | None:
        end = _END if self._in_data else b"\r\n"
        head, found, rest = self._input.partition(end)
        if not found:
            return None
        self._input = rest
        if self._in_data:
            self._in_data = False
            _count()
            return b"250 2.0.0 taken\r\n"
        verb = head[:4].upper()
        self._in_data = verb == b"DATA"
        if verb == b"EHLO":
            return _EHLO
        return b"354 go on\r\n" if self._in_data else b"250 2.0.0 ok\r\n"


def _count() -> None:
    global taken
    taken += 1
    if taken % EVERY == 0:
        _say(taken)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.2", 0)
    _say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
