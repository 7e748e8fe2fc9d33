"""Telling of heads on one machine: a datagram to each process that listens; hints, as in `infra.wakes`, same polls.

Where the database is the embedded one, all who use it share a data folder. A NOTIFY is a transaction of its own, whose
flush stands in the way of the next append's; a datagram is not. Whom a datagram does not reach, because his socket is
full, is told by NOTIFY, as all others are.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import psycopg

from infra.datagrams import Ear, Mouth
from infra.wakes import Heads, heads_in

KIND = "heads"
TURN_S = 0.5
_log = logging.getLogger(__name__)


class LocalTeller:
    """The port `infra.wakes.Teller` by datagrams."""

    def __init__(self, folder: Path) -> None:
        self._mouth = Mouth(folder, KIND)

    def tell(self, payloads: Sequence[str]) -> bool:
        """Send these; false where nobody listens, or somebody could not take them."""
        return self._mouth.say([payload.encode() for payload in payloads])

    def close(self) -> None:
        """Close the socket."""
        self._mouth.close()


class Before(Protocol):
    """What must be caught up with before heads are handed on."""

    def catch_up(self) -> None:
        """Raises: psycopg.Error."""

    def close(self) -> None: ...


class LocalListener:
    """Hands on the heads that anybody tells. `on_gap` is called at first, and whenever hints may have been lost."""

    def __init__(
        self, folder: Path, on_heads: Callable[[Heads], None], on_gap: Callable[[], None], *, before: Before
    ) -> None:
        self._ear = Ear(folder, KIND)
        self._on_heads = on_heads
        self._on_gap = on_gap
        self._before = before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._ear.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._before.catch_up()
                self._on_gap()
                self._hear()
            except psycopg.Error as error:
                _log.warning("what was told is not handed on before the database answers: %s", error)
                self._stop.wait(TURN_S)
        self._before.close()

    def _hear(self) -> None:
        while not self._stop.is_set():
            if payloads := self._ear.heard(TURN_S):
                self._before.catch_up()
                self._on_heads([head for payload in payloads for head in heads_in(payload.decode())])
