"""Several lanes side by side in one process: while Postgres works for one, Python decides for another.

A mailbox always has the same lane, so that lanes never wait for each other's locks and the order of a mailbox's
commands is the order in which they were handed in.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from zlib import crc32

from domain.commands import Command, Outcome
from domain.ids import MailboxId
from infra.keys import Keys
from infra.store.lane import Lane

LANES = 2
"""Python runs on one core at a time: a third lane would only make the gathered commits smaller."""


class Lanes:
    """The port `gateways.appending.Appender` on some lanes; see `Lane`."""

    def __init__(
        self,
        conninfo: str,
        keys: Keys,
        *,
        retention_days: int = 30,
        on_committed: Callable[[Sequence[tuple[MailboxId, int]]], None] | None = None,
        lanes: int = LANES,
    ) -> None:
        self._lanes = [
            Lane(conninfo, keys, retention_days=retention_days, on_committed=on_committed) for _ in range(lanes)
        ]

    def submit(self, command: Command) -> "Future[Outcome]":
        """See `Lane.submit`."""
        return self._of(command).submit(command)

    def run(self, command: Command, *, timeout_s: float | None = 60) -> Outcome:
        """See `Lane.run`."""
        return self._of(command).run(command, timeout_s=timeout_s)

    def close(self) -> None:
        """Finish what waits, then stop."""
        for lane in self._lanes:
            lane.close()

    def _of(self, command: Command) -> Lane:
        return self._lanes[crc32(command.mailbox_id.encode()) % len(self._lanes)]
