"""Mail as fast as a sender can hand it over: connections kept, commands pipelined (RFC 2920), SMTP or LMTP."""

import asyncio
import time
from collections.abc import Iterator, Sequence

import msgspec

from scripts.benchmarks.mails import whole

REPLY_S = 60.0


class SmtpRefusedError(Exception):
    """A reply that was not the one expected."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: `messages` of `size` bytes over `connections`, in turn to the recipients; `run` tells runs apart.

    `per_s`: so many a second at most; 0: as fast as they are taken.
    """

    port: int
    recipients: Sequence[str]
    messages: int
    connections: int
    run: str
    lmtp: bool = False
    size: int = 16_384
    per_s: float = 0.0
    contents: Sequence[bytes] = ()
    """What is sent instead of `whole`, one for each message."""


class Sent(msgspec.Struct):
    """When (perf_counter) each number was accepted, and how long all took."""

    began_at: float = 0.0
    accepted_at: dict[int, float] = {}
    latencies_s: list[float] = []
    elapsed_s: float = 0.0


async def send(load: Load, sent: Sent | None = None) -> Sent:
    """Send it all; `sent` is filled on the way. Raises: SmtpRefusedError, OSError, TimeoutError."""
    sent = sent if sent is not None else Sent()
    numbers = iter(range(load.messages))
    for number in range(64):  # every body is made before the time begins
        whole(number, load.recipients[0], size=load.size, run=load.run)
    connections = [await _connect(load) for _ in range(load.connections)]
    began = sent.began_at = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for reader, writer in connections:
                group.create_task(_send_over(load, sent, numbers, reader, writer, began))
    finally:
        for _, writer in connections:
            writer.close()
    sent.elapsed_s = time.perf_counter() - began
    return sent


async def _connect(load: Load) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    await _expect(reader, b"220")
    writer.write(b"LHLO bench.elsewhere.test\r\n" if load.lmtp else b"EHLO bench.elsewhere.test\r\n")
    await _expect(reader, b"250")
    return reader, writer


async def _send_over(
    load: Load,
    sent: Sent,
    numbers: Iterator[int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    began: float,
) -> None:
    for number in numbers:
        if load.per_s:
            await asyncio.sleep(max(0.0, began + number / load.per_s - time.perf_counter()))
        recipient = load.recipients[number % len(load.recipients)]
        made = load.contents[number] if load.contents else None
        content = made or whole(number, recipient, size=load.size, run=load.run)
        at = time.perf_counter()
        writer.write(f"MAIL FROM:<writer@elsewhere.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        for code in (b"250", b"250", b"354"):
            await _expect(reader, code)
        writer.write(content + b".\r\n")
        await _expect(reader, b"250")
        sent.accepted_at[number] = time.perf_counter()
        sent.latencies_s.append(sent.accepted_at[number] - at)


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    async with asyncio.timeout(REPLY_S):
        while True:
            line = await reader.readline()
            if line[:3] != code:
                raise SmtpRefusedError(f"{line!r} where {code.decode()} was expected")
            if line[3:4] == b" ":
                return
