"""One connection to a Redis, as far as it is used here: the client library has no types for it."""

from collections.abc import Sequence
from typing import Any, Protocol

Word = bytes | str | int


class Connection(Protocol):
    """Errors are the library's: `redis.ConnectionError`, `redis.TimeoutError`, `redis.ResponseError` for an answer."""

    def connect(self) -> None:
        """Open it, sign in, choose the database."""

    def disconnect(self) -> None:
        """Close it; safe to repeat."""

    def pack_commands(self, commands: Sequence[Sequence[Word]]) -> list[bytes]:
        """The octets of some commands."""

    def send_packed_command(self, command: list[bytes], check_health: bool = ...) -> None:
        """Send those octets."""

    def can_read(self, timeout: float = ...) -> bool:
        """Whether there is something to read within so many seconds."""

    def read_response(self) -> Any:
        """The next answer."""
