"""What a scanner said of some content: asked again only after a week, or when the scanner knows more."""

from typing import Literal, Protocol

import msgspec

from infra.caches.decoding import decoded
from infra.caches.installation import InstallationCache

KEPT_S = 7 * 86_400
_KIND = "scan-1"


class ScanResult(msgspec.Struct, frozen=True):
    """`threat` is what was found, as the scanner calls it; empty where the content is clean. `scanned_at` is unix
    milliseconds.
    """

    verdict: Literal["clean", "infected"]
    scanned_at: int
    threat: str = ""


class ScanResults(Protocol):
    """By the SHA-256 of the content (hex) and the scanner with its version, signatures included. Never fails."""

    def find(self, sha256: str, scanner: str) -> ScanResult | None:
        """What this very scanner said within a week, if that is still known."""
        ...

    def keep(self, sha256: str, scanner: str, result: ScanResult) -> None:
        """Know it for a week, or less."""
        ...


class CachedScanResults:
    """The port on a cache."""

    def __init__(self, cache: InstallationCache) -> None:
        self._cache = cache

    def find(self, sha256: str, scanner: str) -> ScanResult | None:
        """What was said; see `ScanResults.find`."""
        return decoded(self._cache.get(_KIND, sha256.encode(), scanner.encode()), ScanResult)

    def keep(self, sha256: str, scanner: str, result: ScanResult) -> None:
        """Know it; see `ScanResults.keep`."""
        value = msgspec.msgpack.encode(result)
        self._cache.put(_KIND, sha256.encode(), scanner.encode(), value=value, for_s=KEPT_S)
