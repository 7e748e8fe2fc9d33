"""Telling that a mailbox has something new: a hint after the commit, by NOTIFY or otherwise, and a poll behind it.

The announcer collects the heads that a lane committed and has them told outside every transaction, below 8,000 bytes a
message. A listener hands heads on to whoever watches; when its connection was lost it asks for everybody's heads, so a
lost hint delays and loses nothing.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import psycopg

from domain.ids import MailboxId
from infra.store.wire import Wire

CHANNEL = "ledgermail_wake"
MAX_PAYLOAD = 7_900
_TELL = "SELECT pg_notify(%s, %s)"
_log = logging.getLogger(__name__)

Heads = Sequence[tuple[MailboxId, int]]


def payloads(heads: Heads) -> list[str]:
    """The heads as texts `mailbox:head mailbox:head …`, each short enough for a notification."""
    texts: list[str] = []
    current = ""
    for mailbox_id, head in dict(heads).items():
        entry = f"{mailbox_id}:{head}"
        if len(current) + len(entry) + 1 > MAX_PAYLOAD:
            texts.append(current)
            current = ""
        current = f"{current} {entry}" if current else entry
    return [*texts, current] if current else texts


def heads_in(payload: str) -> list[tuple[MailboxId, int]]:
    """The heads that a payload names."""
    pairs = (entry.rpartition(":") for entry in payload.split())
    return [(MailboxId(mailbox_id), int(head)) for mailbox_id, _, head in pairs]


class Teller(Protocol):
    """Tells every process; called by one thread."""

    def tell(self, payloads: Sequence[str]) -> bool:
        """Send these; false where it cannot be said that anybody was told all of them."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class PostgresTeller:
    """By NOTIFY."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._wire: Wire | None = None

    def tell(self, payloads: Sequence[str]) -> bool:
        """Send these; see `Teller.tell`."""
        try:
            if self._wire is None:
                self._wire = Wire(psycopg.connect(self._conninfo, autocommit=True))
            for payload in payloads:
                self._wire.ask(_TELL, (CHANNEL, payload))
            self._wire.round_trip()
        except psycopg.Error:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None


class Announcer:
    """Has the heads of committed appends told, gathered, from a thread of its own: by the first teller that can."""

    def __init__(self, *tellers: Teller) -> None:
        self._tellers = tellers
        self._heads: dict[MailboxId, int] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def announce(self, heads: Heads) -> None:
        """Queue heads; never waits."""
        with self._changed:
            self._heads.update(heads)
            self._changed.notify()

    def close(self) -> None:
        """Send what waits and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while (heads := self._next()) is not None:
            texts = payloads(heads)
            if not any(teller.tell(texts) for teller in self._tellers):
                # Only a hint was lost: every listener polls behind it.
                _log.warning("could not announce %d heads; the polls will find them", len(heads))
        for teller in self._tellers:
            teller.close()

    def _next(self) -> Heads | None:
        with self._changed:
            self._changed.wait_for(lambda: self._heads or self._closed)
            if not self._heads:
                return None
            heads, self._heads = list(self._heads.items()), {}
            return heads


class Listener:
    """Hands on the heads that anybody announces. `on_gap` is called after every (re)connection: hints may be lost.

    `also` names other channels and who takes their payloads. All are heard on one connection, in the order of commits.
    """

    def __init__(
        self,
        conninfo: str,
        on_heads: Callable[[Heads], None],
        on_gap: Callable[[], None],
        *,
        also: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        self._conninfo = conninfo
        self._takers = {CHANNEL: lambda payload: on_heads(heads_in(payload)), **(also or {})}
        self._on_gap = on_gap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    for channel in self._takers:
                        connection.execute(f"LISTEN {channel}".encode())
                    self._on_gap()
                    self._hear(connection)
            except psycopg.Error as error:
                _log.warning("the listener lost its connection (%s) and tries again", error)
                self._stop.wait(0.5)

    def _hear(self, connection: psycopg.Connection) -> None:
        while not self._stop.is_set():
            for notification in connection.notifies(timeout=0.5):
                self._takers[notification.channel](notification.payload)
