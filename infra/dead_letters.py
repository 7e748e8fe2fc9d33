"""Dead letters: an operator lists, retries and discards them; untouched, they tell their senders in time."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from domain.times import DAY_MS
from gateways.blobs import Blobs
from gateways.delivery.notification import Bounce, Notifications
from gateways.queue import Queue, QueueRecord, QueueUnavailableError
from infra import blob_references
from infra.postgres_queue import Connect, dead_holder, decoded, queue_holder

AT_ONCE = 1000
UNDELIVERABLE = "554 5.3.0 the message could not be stored"

_OUTAGES = (QueueUnavailableError, psycopg.OperationalError, psycopg.InterfaceError, ConnectionError)

_LETTERS = "SELECT acceptance_id, recipient, address, error, buried_at, record FROM dead_letters"
_LIST = f"{_LETTERS} ORDER BY buried_at, acceptance_id, recipient LIMIT %s"
_OF = f"{_LETTERS} WHERE acceptance_id = %s ORDER BY recipient"
_OLD = (
    f"{_LETTERS} WHERE buried_at < %s AND (buried_at, acceptance_id, recipient) > (%s, %s, %s)"
    " ORDER BY buried_at, acceptance_id, recipient LIMIT %s"
)
_TAKE = "DELETE FROM dead_letters WHERE acceptance_id = %s AND recipient = %s RETURNING record"
_BACK = (
    "INSERT INTO queue_records AS q (acceptance_id, record, open, accepted_at, due_at)"
    " VALUES (%s, %s, ARRAY[%s::integer], %s, 0) ON CONFLICT (acceptance_id) DO UPDATE"
    " SET open = array_append(array_remove(q.open, excluded.open[1]), excluded.open[1]), due_at = 0"
)
_NO_FAILURES = "DELETE FROM queue_failures WHERE acceptance_id = %s AND recipient = %s"
_LEFT = "SELECT count(*) FROM dead_letters WHERE acceptance_id = %s"


class DeadLetter(msgspec.Struct, frozen=True):
    """One recipient whose delivery was given up. `buried_at` is unix milliseconds.

    `record` is missing where what is stored cannot be read: its sender cannot be told.
    """

    acceptance_id: str
    recipient: int
    address: str
    error: str
    buried_at: int
    record: QueueRecord | None


class DeadLetters:
    """What an operator can do with dead letters. Safe to race: a letter is retried or discarded once."""

    def __init__(
        self,
        connect: Connect,
        *,
        queue: Queue,
        blobs: Blobs,
        hostname: str,
        clock_ms: Callable[[], int],
        at_once: int = AT_ONCE,
    ) -> None:
        self._connect = connect
        self._at_once = at_once
        self._clock_ms = clock_ms
        self._notifications = Notifications(queue=queue, blobs=blobs, hostname=hostname, clock_ms=clock_ms)

    def list(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest first."""
        return self._found(_LIST, (limit,))

    def of(self, acceptance_id: str) -> Sequence[DeadLetter]:
        """Those of one acceptance."""
        return self._found(_OF, (acceptance_id,))

    def retry(self, letter: DeadLetter) -> bool:
        """Back into the queue, due at once, as if it had never failed; false where it is no longer there."""
        with self._connect() as connection, connection.transaction():
            taken = connection.execute(_TAKE, (letter.acceptance_id, letter.recipient)).fetchone()
            if taken is None:
                return False
            back = (letter.acceptance_id, taken[0], letter.recipient, self._clock_ms())
            names = blob_references.names_held(connection, dead_holder(letter.acceptance_id))
            blob_references.hold(connection, queue_holder(letter.acceptance_id), names)
            connection.execute(_BACK, back)
            connection.execute(_NO_FAILURES, (letter.acceptance_id, letter.recipient))
            _release_after_last(connection, letter.acceptance_id)
        return True

    def discard(self, letter: DeadLetter) -> bool:
        """Give it up: its sender is told first, unless the reverse-path is null or cannot be read; false where it is no
        longer there."""
        if all(other.recipient != letter.recipient for other in self.of(letter.acceptance_id)):
            return False
        if letter.record is not None:
            self._notifications.tell(letter.record, [Bounce(letter.recipient, UNDELIVERABLE)])
        with self._connect() as connection, connection.transaction():
            taken = connection.execute(_TAKE, (letter.acceptance_id, letter.recipient)).fetchone()
            _release_after_last(connection, letter.acceptance_id)
        return taken is not None

    def expire(self, now_ms: int, *, days: int = 4) -> int:
        """Discard what no operator touched for that many days; how many. What cannot be read is left to an operator.

        Raises: an outage of a server; what else failed for the first that failed, when those behind it are done.
        """
        failed: list[Exception] = []
        discarded, last = 0, (-1, "", 0)
        while old := self._found(_OLD, (now_ms - days * DAY_MS, *last, self._at_once)):
            for letter in old:
                last = (letter.buried_at, letter.acceptance_id, letter.recipient)
                try:
                    discarded += letter.record is not None and self.discard(letter)
                except _OUTAGES:
                    raise
                except Exception as error:  # noqa: BLE001 - raised when the others are done
                    failed.append(error)
        if failed:
            raise failed[0]
        return discarded

    def _found(self, query: str, place: tuple[Any, ...]) -> Sequence[DeadLetter]:
        with self._connect() as connection:
            rows = connection.execute(query.encode(), place).fetchall()
        return [
            DeadLetter(acceptance_id, recipient, address, error, buried_at, _decoded(record, recipient))
            for acceptance_id, recipient, address, error, buried_at, record in rows
        ]


def _decoded(stored: bytes, recipient: int) -> QueueRecord | None:
    """The record, if it can be read and names the recipient."""
    try:
        record = decoded(stored)
    except msgspec.DecodeError:
        return None
    return record if recipient < len(record.envelope.recipients) else None


def _release_after_last(connection: Connection[Any], acceptance_id: str) -> None:
    left = connection.execute(_LEFT, (acceptance_id,)).fetchone()
    if left is not None and left[0] == 0:
        blob_references.release(connection, dead_holder(acceptance_id))
