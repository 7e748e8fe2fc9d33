"""The ports of `gateways.virus.scanning` on a clamd, which is not asked about what it has seen this week."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Executor
from typing import Final

from gateways.virus.scanning import CLEAN, INFECTED, UNSCREENED, Content, Scan, ScannerAwayError
from infra.caches.scan_results import ScanResult, ScanResults
from infra.virus.clamd import Clamd

WORTH_KEEPING_BYTES: Final = 64 * 1024
"""A mail below this is scanned sooner than its result is looked up and written down."""
SIDE_BY_SIDE: Final = 8
"""Scans of one door at a time: clamd has ten threads unless it is told otherwise."""
PATIENCE_S: Final = 5.0
"""Beyond the time of a scan, for what is waited for beside it."""
_AWAY: Final = Scan(UNSCREENED)


class LoopScanner:
    """The port `DoorScanner`, for one event loop. Results are looked up and kept by threads of the executor."""

    def __init__(self, clamd: Clamd, results: ScanResults, executor: Executor) -> None:
        self._clamd = clamd
        self._results = results
        self._executor = executor
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def scan(self, content: Content) -> Scan:
        """What was found; see `DoorScanner.scan`."""
        try:
            async with asyncio.timeout(self._clamd.scan_s + PATIENCE_S), self._places:
                return await self._looked_up_or_scanned(content)
        except (ScannerAwayError, TimeoutError):
            return _AWAY

    async def _looked_up_or_scanned(self, content: Content) -> Scan:
        if content.size_bytes < WORTH_KEEPING_BYTES:
            return await self._clamd.scan(content.pieces())
        loop, sha256 = asyncio.get_running_loop(), content.sha256
        scanner = await self._clamd.version()
        known = await loop.run_in_executor(self._executor, self._results.find, sha256, scanner)
        if known is not None:
            return _scan_of(known)
        found = await self._clamd.scan(content.pieces())
        if (kept := _result_of(found)) is not None:
            await loop.run_in_executor(self._executor, self._results.keep, sha256, scanner, kept)
        return found


class ThreadScanner:
    """The port `Scanner`. Once it is closed it says of everything that it could not be asked, scans under way too."""

    def __init__(self, clamd: Clamd, results: ScanResults) -> None:
        self._clamd = clamd
        self._results = results
        self._lock = threading.Lock()
        self._under_way: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Scan]]] = set()
        self._is_closed = False

    def close(self) -> None:
        """Nobody waits for a scan any more: what was asked is asked again after the next start."""
        with self._lock:
            self._is_closed = True
            for loop, scan in self._under_way:  # which runs as long as its scan stands there
                loop.call_soon_threadsafe(scan.cancel)

    def scan(self, content: Iterable[bytes], *, sha256: str, size_bytes: int) -> Scan:
        """What was found; see `Scanner.scan`."""
        try:
            return asyncio.run(self._until_closed(content, sha256))
        except ScannerAwayError:
            return _AWAY

    async def _until_closed(self, content: Iterable[bytes], sha256: str) -> Scan:
        scan = asyncio.ensure_future(self._scan(content, sha256))
        here = (asyncio.get_running_loop(), scan)
        with self._lock:
            if self._is_closed:
                scan.cancel()
            self._under_way.add(here)
        try:
            return await scan
        except asyncio.CancelledError:
            return _AWAY
        finally:
            with self._lock:
                self._under_way.discard(here)

    def answers(self) -> bool:
        """Whether it is there; see `Scanner.answers`."""
        try:
            asyncio.run(self._clamd.ping())
        except ScannerAwayError:
            return False
        return not self._is_closed

    def known(self, sha256: str) -> Scan | None:
        """What is known of it; see `Scanner.known`."""
        try:
            scanner = asyncio.run(self._clamd.version())
        except ScannerAwayError:
            scanner = self._clamd.last_version
        known = self._results.find(sha256, scanner) if scanner else None
        return None if known is None else _scan_of(known)

    async def _scan(self, content: Iterable[bytes], sha256: str) -> Scan:
        """On a loop of its own: what blocks here holds up nobody else."""
        scanner = await self._clamd.version()
        known = self._results.find(sha256, scanner)
        if known is not None:
            return _scan_of(known)
        found = await self._clamd.scan(_pieces(content))
        if (kept := _result_of(found)) is not None:
            self._results.keep(sha256, scanner, kept)
        return found


async def _pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def _scan_of(known: ScanResult) -> Scan:
    return Scan(known.verdict, known.threat)


def _result_of(found: Scan) -> ScanResult | None:
    if found.verdict not in (CLEAN, INFECTED):
        return None
    return ScanResult("clean" if found.verdict == CLEAN else "infected", time.time_ns() // 1_000_000, found.threat)
