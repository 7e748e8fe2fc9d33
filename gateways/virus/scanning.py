"""The ports to whoever looks for viruses, and what they say of some content."""

from collections.abc import AsyncIterator, Iterable
from typing import Final, Literal, Protocol

import msgspec

CLEAN: Final = "clean"
INFECTED: Final = "infected"
TOO_LARGE: Final = "too_large"
UNSCREENED: Final = "unscreened"

Verdict = Literal["clean", "infected", "too_large", "unscreened"]


class ScannerAwayError(Exception):
    """The scanner does not answer, or says that it could not look: asked again later, it may."""


class Scan(msgspec.Struct, frozen=True):
    """What was found: nothing, a threat under the scanner's name for it, nothing because the content is larger than
    the scanner takes or too much for its time (which no waiting mends), or nothing because it could not be asked."""

    verdict: Verdict
    threat: str = ""


class Content(Protocol):
    """What is to be looked at, piece by piece: never whole in memory for it."""

    @property
    def sha256(self) -> str:
        """Lower-case hex digest of all of it."""
        ...

    @property
    def size_bytes(self) -> int:
        """Octets of all of it."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """From its beginning to its end."""
        ...


class DoorScanner(Protocol):
    """For an event loop, which it never blocks."""

    async def scan(self, content: Content) -> Scan:
        """What was found, within 28 s; that the scanner cannot be asked is a result and never an error."""
        ...


class Scanner(Protocol):
    """For threads, which wait. Used by many of them at once."""

    def scan(self, content: Iterable[bytes], *, sha256: str, size_bytes: int) -> Scan:
        """What was found, or is known of this very content; that the scanner cannot be asked is a result, too.

        Raises: what reading the content raises.
        """
        ...

    def answers(self) -> bool:
        """Whether it says within a second that it is there; not asked just after it did not."""
        ...

    def known(self, sha256: str) -> Scan | None:
        """What it said of this content within a week, without looking at it."""
        ...
