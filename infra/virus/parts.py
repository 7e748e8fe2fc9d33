"""The parts of the composition root that look for viruses: one clamd, known by what it said this week."""

import asyncio
import threading
from concurrent.futures import Executor

from gateways.virus.scanning import DoorScanner, Scanner
from infra.caches.scan_results import ScanResults
from infra.settings_readers import ListenAddress
from infra.virus.clamd import Clamd
from infra.virus.scanners import LoopScanner, ThreadScanner


class VirusParts:
    """All of them ask the same clamd, and know together when it does not answer."""

    def __init__(self, address: ListenAddress, results: ScanResults) -> None:
        self._clamd = Clamd(address)
        self._results = results
        self._for_threads = ThreadScanner(self._clamd, results)

    @property
    def scanner(self) -> Scanner:
        """For threads."""
        return self._for_threads

    def close_at(self, stop: threading.Event) -> None:
        """Wait for `stop`, and then let no thread wait for a scan: a service stops sooner than clamd may take."""
        stop.wait()
        self._for_threads.close()

    def for_loop(self, executor: Executor) -> DoorScanner:
        """For one event loop, within which it is called."""
        return LoopScanner(self._clamd, self._results, executor)

    def check(self) -> None:
        """Nothing, where clamd answers.

        Raises: ScannerAwayError
        """
        asyncio.run(self._clamd.check())
