"""A request that is answered in one write, now or later, without a task: what the HTTP server must be able to do.

The server offers it in the scope's extensions. Whoever takes a request writes octets of HTTP/1.1 (RFC 9112) to it
(`gateways.http.octets`), all of them on the event loop, and never a byte of another request of that connection.
"""

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


class Answerable(Protocol):
    """A request as the server offers it, beside `receive` and `send`; after either its task must end without a word."""

    def hold(self, holder: Holder) -> HeldRequest | None:
        """Take it over; null where the client has gone."""

    def answer(self, octets: bytes) -> bool:
        """Send the whole answer in one write; false, and nothing is sent, while the client is slow to take others."""


def answerable(scope: Scope) -> Answerable:
    """The request of this scope."""
    found: Answerable = scope["extensions"][EXTENSION]["request"]
    return found


def keeps_alive(scope: Scope) -> bool:
    """Whether the connection outlives the answer (RFC 9112 section 9.3)."""
    if scope["http_version"] != "1.1":
        return False
    fields = b",".join(value for name, value in scope["headers"] if name == b"connection")
    return b"close" not in {option.strip() for option in fields.lower().split(b",")}
