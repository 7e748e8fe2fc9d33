"""What a scanner says of files: those that clients bring, and attachments that nobody looked at when they came."""

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Final, Literal

from gateways.blobs import Blobs, attachment_blob_name
from gateways.http.problems import ProblemError
from gateways.virus.scanning import CLEAN, INFECTED, UNSCREENED, Scan, Scanner

WAIT_S: Final = 2.0
"""How long a call waits for a scan; what takes longer goes on without it."""

Word = Literal["clean", "pending", "unscreened"]


class FileScans:
    """Scans of one process: a file's at most once at a time, by threads of the executor, however many ask."""

    def __init__(self, scanner: Scanner, blobs: Blobs, executor: Executor, *, wait_s: float = WAIT_S) -> None:
        self._scanner = scanner
        self._blobs = blobs
        self._executor = executor
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Scan]] = {}

    def uploaded(self, sha256: str, *, size_bytes: int) -> Word:
        """What is found in the stored file, or that the search goes on.

        Raises: ProblemError, where it is infected; BlobMissingError.
        """
        try:
            found = self._begun(sha256, lambda: self._stored(sha256), size_bytes).result(self._wait_s)
        except TimeoutError:
            return "pending"
        if found.verdict == INFECTED:
            raise _infected(found)
        return "clean" if found.verdict == CLEAN else "unscreened"

    def require_not_infected(self, sha256: str) -> None:
        """Nothing, unless the file is known to be infected. Raises: ProblemError."""
        known = self._scanner.known(sha256)
        if known is not None and known.verdict == INFECTED:
            raise _infected(known)

    def require_clean(self, content: bytes) -> None:
        """Nothing, where the content is clean. Raises: ProblemError, also while it cannot be looked at."""
        sha256 = hashlib.sha256(content).hexdigest()
        try:
            found = self._begun(sha256, lambda: (content,), len(content)).result(self._wait_s)
        except TimeoutError:
            found = Scan(UNSCREENED)
        if found.verdict == UNSCREENED:
            raise ProblemError("attachment_unscreened", "it was not looked at yet for viruses")
        if found.verdict != CLEAN:
            raise ProblemError("attachment_blocked", found.threat or "it is too much to be looked at for viruses")

    def _begun(self, sha256: str, content: Callable[[], Iterable[bytes]], size_bytes: int) -> "Future[Scan]":
        with self._lock:
            under_way = self._under_way.get(sha256)
            if under_way is not None:
                return under_way
            begun = self._under_way[sha256] = self._executor.submit(
                lambda: self._scanner.scan(content(), sha256=sha256, size_bytes=size_bytes)
            )
        begun.add_done_callback(lambda _: self._over(sha256))
        return begun

    def _stored(self, sha256: str) -> Iterable[bytes]:
        return self._blobs.open(attachment_blob_name(sha256))

    def _over(self, sha256: str) -> None:
        with self._lock:
            self._under_way.pop(sha256, None)


def _infected(found: Scan) -> ProblemError:
    return ProblemError("attachment_infected", found.threat)
