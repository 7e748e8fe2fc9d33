"""Those who look at a message while its sender is still there, side by side."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Final

from gateways.reception import Spool
from gateways.screening import Screener, Screening
from gateways.smtp.actions import Screen
from gateways.virus.policy import REFUSES, at_the_door
from gateways.virus.scanning import UNSCREENED, DoorScanner, Scan

PIECE_BYTES: Final = 256 * 1024


class Looking:
    """`screener` looks at who sent a message, `scanner` for viruses in it; either may be missing.

    One of them that breaks loses and blocks no mail, and does not take the other's word away.
    """

    def __init__(
        self, screener: Screener | None, scanner: DoorScanner | None, executor: Executor, *, on_virus: str = REFUSES
    ) -> None:
        self._screener = screener
        self._scanner = scanner
        self._executor = executor
        self._on_virus = on_virus

    async def look(self, asked: Screen, spool: Spool | None) -> Screening:
        """What all of them found of the message whose beginning lies in the spool.

        Raises: what the screener raised, where nobody else looked.
        """
        if self._scanner is None:
            return await self._screen(asked)
        content = _ArrivedContent(asked, spool, self._executor)
        found, scan = await asyncio.gather(self._screen(asked), self._scanner.scan(content), return_exceptions=True)
        return at_the_door(_or_nothing(found), _or_unscreened(scan), policy=self._on_virus)

    async def _screen(self, asked: Screen) -> Screening:
        if self._screener is None or asked.evidence is None:
            return Screening()
        return await self._screener.screen(asked.arrival, asked.evidence)


def _or_nothing(found: Screening | BaseException) -> Screening:
    if isinstance(found, Screening):
        return found
    _tell(found)
    return Screening()


def _or_unscreened(scan: Scan | BaseException) -> Scan:
    if isinstance(scan, Scan):
        return scan
    _tell(scan)
    return Scan(UNSCREENED)


def _tell(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "looking at mail failed", "exception": error})


class _ArrivedContent:
    """The port `gateways.virus.scanning.Content` on what has come: the spool's part, and the rest."""

    def __init__(self, asked: Screen, spool: Spool | None, executor: Executor) -> None:
        self.sha256 = asked.sha256
        self.size_bytes = asked.size_bytes
        self._rest = asked.rest
        self._spool = spool
        self._executor = executor

    async def pieces(self) -> AsyncIterator[bytes]:
        """From its beginning. Whoever is cancelled here goes only when no thread reads the spool any more."""
        at = 0
        while self._spool is not None and (piece := await self._read(self._spool, at)):
            at += len(piece)
            yield piece
        yield self._rest

    async def _read(self, spool: Spool, at: int) -> bytes:
        reading = asyncio.get_running_loop().run_in_executor(self._executor, spool.read, at, PIECE_BYTES)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])
            raise
