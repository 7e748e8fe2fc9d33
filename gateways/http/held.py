"""A request that is answered later, without a task that waits: what the HTTP server must be able to do.

The server offers it in the scope's extensions. Whoever holds a request writes octets of HTTP/1.1 (RFC 9112) to it
(`gateways.http.octets`), all of them on the event loop, and never a byte of another request of that connection.
"""

from collections.abc import Callable
from typing import Protocol

from gateways.http.requests import Scope

EXTENSION = "ledgermail.held"


class Holder(Protocol):
    """Who holds a request; told on the event loop."""

    def lost(self) -> None:
        """The client has gone; nothing can be written any more."""

    def writable(self) -> None:
        """The client has caught up: `is_slow` is false again."""


class HeldRequest(Protocol):
    """The request."""

    @property
    def is_slow(self) -> bool:
        """Whether the client has yet to take much of what was written: more should wait for `Holder.writable`."""

    def write(self, octets: bytes) -> None:
        """Send a part of the answer."""

    def finish(self, octets: bytes) -> None:
        """Send the last of the answer; the connection goes on with the next request, or ends if its client wished."""


Hold = Callable[[Holder], HeldRequest | None]


def hold_of(scope: Scope) -> Hold:
    """Takes the request over from its task, which must end without another word; None where the client has gone."""
    hold: Hold = scope["extensions"][EXTENSION]["hold"]
    return hold


def keeps_alive(scope: Scope) -> bool:
    """Whether the connection outlives the answer (RFC 9112 section 9.3)."""
    if scope["http_version"] != "1.1":
        return False
    fields = b",".join(value for name, value in scope["headers"] if name == b"connection")
    return b"close" not in {option.strip() for option in fields.lower().split(b",")}
