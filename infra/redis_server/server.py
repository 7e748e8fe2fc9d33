"""A Redis, asked with short timeouts, and not asked at all while it is away.

Whoever asks first after it went waits for one timeout; until a thread of its own has found it again everybody else is
told at once that it is away. Nothing that lies there is needed, so nobody waits for it.
"""

import logging
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry

from infra.operator_errors import OperatorError
from infra.redis_server.connection import Connection, Word

TIMEOUT_S = 0.25
"""For connecting, and for an answer: it is near, and what is asked of it takes it microseconds."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
IDLE_KEPT = 32
_AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)
_log = logging.getLogger(__name__)


class RedisAwayError(Exception):
    """It does not answer. Whether what was asked for was done is not known."""


class RedisRefusedError(RedisAwayError):
    """It answers and does not do it: it is full, say, or the user may not."""


class RedisServer:
    """The server of a URL; from many threads. `close` it."""

    def __init__(self, url: str, *, ca_file: Path | None = None, timeout_s: float = TIMEOUT_S) -> None:
        given: dict[str, Any] = {} if ca_file is None else {"ssl_ca_certs": str(ca_file)}
        self._made: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            max_connections=2**31,
            protocol=2,
            **(given if url.startswith("rediss:") else {}),
        )
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._is_away = False
        self._closed = threading.Event()

    @property
    def is_away(self) -> bool:
        """Whether it did not answer when it was asked last."""
        return self._is_away

    def start(self) -> None:
        """See whether it answers; where it does not now it is looked for from now on.

        Raises: OperatorError, where it never will: it does not know the password, or nobody vouches for it.
        """
        try:
            self.ask("PING")
        except RedisRefusedError as error:
            raise OperatorError(f"the Redis of LEDGERMAIL_REDIS does not serve us: {error}") from error
        except RedisAwayError as error:
            cause = error.__cause__
            if isinstance(cause, redis.AuthenticationError):
                raise OperatorError(f"the Redis of LEDGERMAIL_REDIS refuses the password: {cause}") from error
            if _is_of_certificates(cause):
                raise OperatorError(f"the Redis of LEDGERMAIL_REDIS is not trusted: {cause}") from error

    def check(self) -> None:
        """Nothing, where it answers. Raises: RedisAwayError."""
        self.ask("PING")

    def ask(self, *words: Word) -> Any:
        """The answer to one command. Raises: RedisAwayError."""
        return self.ask_together([words])[0]

    def ask_together(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The answers to some commands, sent in one write. Raises: RedisAwayError."""
        if self._is_away:
            raise RedisAwayError("it did not answer lately")
        try:
            while (idle := self._idle_one()) is not None:
                try:
                    return self._asked(idle, commands)
                except redis.TimeoutError:
                    raise
                except (redis.ConnectionError, OSError):
                    self._drop_idle()  # it was started anew: what else lies there is dead, too
            return self._asked(self.connection(), commands)
        except _AWAY as error:
            self._look_for_it(error)
            raise RedisAwayError(f"it does not answer: {error}") from error

    def connection(self) -> Connection:
        """A new connection, open; whoever asks for it ends it.

        Raises: redis.ConnectionError, redis.TimeoutError, OSError, RedisRefusedError.
        """
        made = cast(Connection, self._made.make_connection())
        try:
            made.connect()
        except redis.ResponseError as error:
            raise RedisRefusedError(str(error)) from error
        return made

    def close(self) -> None:
        """Let go of it."""
        self._closed.set()
        self._drop_idle()

    def _asked(self, connection: Connection, commands: Sequence[Sequence[Word]]) -> list[Any]:
        answers, refused = [], None
        try:
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            for _ in commands:
                try:
                    answers.append(connection.read_response())
                except redis.ResponseError as error:
                    refused = error
        except BaseException:
            connection.disconnect()
            raise
        if len(self._idle) < IDLE_KEPT and not self._closed.is_set():
            self._idle.append(connection)
        else:
            connection.disconnect()
        if refused is not None:
            raise RedisRefusedError(str(refused)) from refused
        return answers

    def _idle_one(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.disconnect()

    def _look_for_it(self, error: Exception) -> None:
        with self._lock:
            if self._is_away or self._closed.is_set():
                return
            self._is_away = True
        _log.warning("Redis does not answer (%s): what it holds is asked for elsewhere until it does", error)
        self._drop_idle()
        threading.Thread(target=self._until_it_answers, name="redis", daemon=True).start()

    def _until_it_answers(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closed.wait(pause_s):
            try:
                self._asked(self.connection(), [("PING",)])
            except (*_AWAY, RedisRefusedError):
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._is_away = False
                _log.warning("Redis answers again")
                return


def _is_of_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
