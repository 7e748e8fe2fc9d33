"""Rspamd over HTTP (`LEDGERMAIL_RSPAMD`), asked on the event loop of a door; one that is down never holds up mail.

After a failure of its server nobody asks for two seconds, and then one: where it hangs, mail does not wait in a row.
"""

import asyncio
import ssl
from urllib.parse import urlsplit

from gateways.screening import Arrival
from gateways.spam.rspamd import MAX_ANSWER_BYTES, RspamdAnswerError, answer, request
from gateways.spam.scoring import Score
from infra.turnstile import Turnstile

TIMEOUT_S = 10.0
AT_ONCE = 10_000


class _AwayError(Exception):
    """Its server does not answer, or nobody asks it just now."""


class Rspamd:
    """The port `gateways.spam.filtering.Scanner`."""

    name = "rspamd"

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """`url` is `http://HOST:PORT`, or with https."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._timeout_s = timeout_s
        self._turnstile = Turnstile(_AwayError, at_once=AT_ONCE)

    async def scan(self, arrival: Arrival, sample: bytes) -> Score | None:
        """Its score of a message's beginning; None where it is down."""
        try:
            with self._turnstile.passed():
                octets = await self._in_time(request(self._host, arrival, sample))
            return answer(octets)
        except (_AwayError, RspamdAnswerError):
            return None

    async def _in_time(self, question: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._asked(question)
        except (OSError, TimeoutError) as error:
            raise _AwayError(str(error)) from error

    async def _asked(self, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            writer.write(question)
            await writer.drain()
            return await self._read(reader)
        finally:
            writer.close()

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        """All up to the end of the connection, or as much as an answer may have."""
        octets = bytearray()
        while len(octets) <= MAX_ANSWER_BYTES and (piece := await reader.read(65_536)):
            octets += piece
        return bytes(octets)
