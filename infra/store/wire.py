"""Prepared statements in libpq's pipeline mode: what a lane says to Postgres in one round trip, at little cost.

psycopg's cursors spend on each statement of a pipeline more than Postgres spends on most of them. A wire keeps one
connection in pipeline mode (PostgreSQL manual, section 32.5) and hands texts and octets over as they are; its results
are loaded by psycopg's own adapters.
"""

import re
import select
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, Protocol

import psycopg
from psycopg import Connection, pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.rows import tuple_row

Parameter = str | bytes | None
"""Text as Postgres reads it, or octets in the type's binary format; None is NULL."""

_PLACE = re.compile(r"%[sb]")
_BROKEN = pq.ExecStatus.FATAL_ERROR
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_ROWS = pq.ExecStatus.TUPLES_OK
_DONE = pq.ExecStatus.COMMAND_OK
_numbers = count()
"""Of prepared statements, so that a connection that was given back can have another wire."""


class Answer(Protocol):
    """The rows of one statement, once its round trip is over."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All of them."""
        ...


class Asks(Protocol):
    """Takes statements whose answers are there after the next round trip."""

    def ask(self, statement: str, parameters: Sequence[Parameter] = (), /) -> Answer:
        """Queue a statement; `%s` takes text, `%b` octets."""
        ...


class Cursors:
    """Statements on an ordinary connection, whose pipeline, if it stands in one, the caller flushes."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def ask(self, statement: str, parameters: Sequence[Parameter] = (), /) -> Answer:
        """See `Asks.ask`."""
        cursor = self._connection.cursor(row_factory=tuple_row)
        return cursor.execute(statement.encode(), parameters, prepare=True)


class _Rows:
    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows


class Wire:
    """One connection in autocommit mode, for one thread, which leaves it to the wire until closed or given back."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._loading = Transformer(connection)
        self._encoding = connection.info.encoding
        self._names: dict[str, bytes] = {}
        self._asked: list[_Rows | str] = []
        """What the results of the next sending belong to: a statement's rows, or the preparation of this statement."""
        self._sent: list[_Rows | str] = []
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._poll = select.poll()
        self._poll.register(self._libpq.socket, select.POLLIN)

    @property
    def is_closed(self) -> bool:
        """Whether the connection is closed or lost."""
        return self._connection.closed

    def close(self) -> None:
        """Close the connection. Safe to repeat."""
        self._connection.close()

    def give_back(self) -> None:
        """Let the connection be used as any other again; every answer was received, and the wire is done with."""
        self._poll.unregister(self._libpq.socket)
        self._libpq.exit_pipeline_mode()

    def ask(self, statement: str, parameters: Sequence[Parameter] = (), /) -> Answer:
        """See `Asks.ask`."""
        name = self._names.get(statement) or self._prepare(statement)
        given = [one.encode() if isinstance(one, str) else one for one in parameters]
        self._libpq.send_query_prepared(name, given, _formats(statement))
        answer = _Rows()
        self._asked.append(answer)
        return answer

    def round_trip(self) -> None:
        """Send what was queued and take in every answer. Raises: as `receive`."""
        self.send()
        self.receive()

    def send(self) -> None:
        """Send what was queued; Postgres works on it until `receive`, before which nothing else is sent.

        Raises: psycopg.OperationalError, where the connection is lost.
        """
        self._libpq.pipeline_sync()
        self._sent, self._asked = self._asked, []
        while self._libpq.flush():
            self._wait(select.POLLIN | select.POLLOUT)

    def receive(self) -> None:
        """Wait for every answer to what was sent.

        Raises: psycopg.Error, of the first statement that failed; those behind it were not run. An OperationalError
        where the connection is lost.
        """
        sent, self._sent = self._sent, []
        failure: psycopg.Error | None = None
        for awaited in sent:
            result = self._result()
            if result.status == _BROKEN:
                failure = failure or error_from_result(result, self._encoding)
            self._take(awaited, result)
            self._end_of_statement()
        if (last := self._result().status) != _SYNC:
            raise psycopg.OperationalError(f"the pipeline is out of step: {last}")
        if failure is not None:
            raise failure

    def roll_back(self) -> None:
        """End the transaction that a failure left open, and with it what was queued and not sent yet.

        Raises: psycopg.Error: the connection is then to be closed.
        """
        if self._asked:
            # By itself: behind a statement that fails a pipeline runs nothing, not even a rollback.
            with suppress(psycopg.DatabaseError):
                self.round_trip()
        self.ask("ROLLBACK")
        self.round_trip()

    def _prepare(self, statement: str) -> bytes:
        name = b"w%d" % next(_numbers)
        self._libpq.send_prepare(name, _numbered(statement))
        self._asked.append(statement)
        self._names[statement] = name
        return name

    def _take(self, awaited: _Rows | str, result: pq.abc.PGresult) -> None:
        if isinstance(awaited, str):
            if result.status != _DONE:  # behind a statement that failed nothing is prepared
                del self._names[awaited]
        elif result.status == _ROWS:
            self._loading.set_pgresult(result)
            awaited.rows = self._loading.load_rows(0, result.ntuples, tuple)

    def _result(self) -> pq.abc.PGresult:
        """The next result, waited for.

        Raises: psycopg.OperationalError
        """
        while self._libpq.is_busy():
            self._wait(select.POLLIN)
        result = self._libpq.get_result()
        if result is None:
            raise psycopg.OperationalError(f"the connection is lost: {self._libpq.get_error_message(self._encoding)}")
        return result

    def _end_of_statement(self) -> None:
        while self._libpq.is_busy():
            self._wait(select.POLLIN)
        if self._libpq.get_result() is not None:
            raise psycopg.OperationalError("the pipeline is out of step: more than one result of a statement")

    def _wait(self, events: int) -> None:
        """Wait until the socket is ready, and take in what came.

        Raises: psycopg.OperationalError
        """
        self._poll.modify(self._libpq.socket, events)
        self._poll.poll()
        self._libpq.consume_input()


@lru_cache(maxsize=1024)
def _numbered(statement: str) -> bytes:
    """The statement with `$1`, `$2` … in its places."""
    parts = _PLACE.split(statement)
    return "".join(part + (f"${n}" if n < len(parts) else "") for n, part in enumerate(parts, 1)).encode()


@lru_cache(maxsize=1024)
def _formats(statement: str) -> list[int]:
    """0 for each place that takes text, 1 for each that takes octets."""
    return [int(place == "%b") for place in _PLACE.findall(statement)]
