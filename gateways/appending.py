"""The port to the log: how a gateway hands a command over."""

from concurrent.futures import Future
from typing import Protocol

from domain.commands import Command, Outcome


class Appender(Protocol):
    """Appends commands (`infra.store.lane`). A command id seen before, by any process, answers its first outcome."""

    def run(self, command: Command, *, timeout_s: float | None = 60) -> Outcome:
        """Append and wait until durable. Raises `Refusal` where the decision said no: nothing was appended then."""

    def submit(self, command: Command) -> "Future[Outcome]":
        """Append without waiting; asyncio callers wrap the future."""
