"""Telling of heads by way of a Redis, and hearing of them: hints, as in `infra.wakes`, with the same polls behind.

Where the Redis is away, or nobody hears there, the teller says so and the heads go by NOTIFY. What is told is sealed:
whoever else writes into the Redis can tell nobody of heads that never were.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import psycopg
import redis

from infra.redis_server.connection import Connection
from infra.redis_server.server import RedisAwayError, RedisServer
from infra.sealing import SealBrokenError, open_sealed, seal
from infra.wakes import Heads, heads_in

TURN_S = 0.5
QUIET_TURNS = 10
"""After so many a word is asked for; after twice as many without one the connection is taken for dead."""
GATHERED = 500
_OUTAGES = (redis.RedisError, RedisAwayError, OSError, psycopg.Error)
_log = logging.getLogger(__name__)


class RedisTeller:
    """The port `infra.wakes.Teller` by PUBLISH."""

    def __init__(self, server: RedisServer, channel: bytes, *, key: bytes) -> None:
        self._server = server
        self._channel = channel
        self._key = key

    def tell(self, payloads: Sequence[str]) -> bool:
        """Send these; see `Teller.tell`."""
        sealed = [seal(self._key, payload.encode(), self._channel) for payload in payloads]
        try:
            heard_by = self._server.ask_together([("PUBLISH", self._channel, payload) for payload in sealed])
        except RedisAwayError:
            return False
        return all(heard_by)

    def close(self) -> None:
        """The server is not its own."""


class Before(Protocol):
    """What must be caught up with before heads are handed on."""

    def catch_up(self) -> None: ...

    def close(self) -> None: ...


class RedisListener:
    """Hands on the heads that anybody tells. `on_gap` is called after every (re)connection: hints may be lost."""

    def __init__(
        self,
        server: RedisServer,
        channel: bytes,
        on_heads: Callable[[Heads], None],
        on_gap: Callable[[], None],
        *,
        key: bytes,
        before: Before,
        turn_s: float = TURN_S,
    ) -> None:
        self._turn_s = turn_s
        self._server = server
        self._channel = channel
        self._key = key
        self._on_heads = on_heads
        self._on_gap = on_gap
        self._before = before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except _OUTAGES as error:
                if not self._server.is_away:
                    _log.warning("the listener lost Redis (%s) and tries again", error)
                self._stop.wait(self._turn_s)
        self._before.close()

    def _listen(self) -> None:
        self._server.check()  # one that is away is looked for, and named once, by the server's own thread
        connection = self._server.connection()
        try:
            _say(connection, "SUBSCRIBE", self._channel)
            connection.read_response()
            self._before.catch_up()
            self._on_gap()
            self._hear(connection)
        finally:
            connection.disconnect()

    def _hear(self, connection: Connection) -> None:
        quiet = 0
        while not self._stop.is_set():
            if connection.can_read(timeout=self._turn_s):
                quiet = 0
                heads = [head for sealed in _gathered(connection) for head in self._opened(sealed)]
                if heads:
                    self._before.catch_up()
                    self._on_heads(heads)
            else:
                quiet += 1
                if quiet == QUIET_TURNS:
                    _say(connection, "PING")
                elif quiet >= 2 * QUIET_TURNS:
                    raise redis.TimeoutError("nothing was heard")

    def _opened(self, sealed: bytes) -> Heads:
        try:
            return heads_in(open_sealed(self._key, sealed, self._channel).decode())
        except SealBrokenError:
            _log.warning("somebody else tells of heads by Redis: that is passed over")
            return []


def _gathered(connection: Connection) -> list[bytes]:
    """What has come, some messages at once."""
    come: list[bytes] = []
    for _ in range(GATHERED):
        kind, *rest = connection.read_response()
        if kind == b"message":
            come.append(rest[1])
        if not connection.can_read(timeout=0):
            break
    return come


def _say(connection: Connection, *words: str | bytes) -> None:
    connection.send_packed_command(connection.pack_commands([words]), check_health=False)
