"""The queue on Kafka: `incoming_emails` carries what was accepted, Postgres what must wait.

A record is put by one flush for all that are accepted together, and is durable with it. It is handed out by the member
of the consumer group that has its partition, one a process, after one commit in Postgres that notes so; its offset is
committed when its recipients are settled or have moved to the Postgres queue, and not before. What comes again to
another member, after a death or a rebalance, moves there too, where deaths are counted. Delivery is idempotent.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from gateways.queue import SUSPECT, Leased, QueueRecord, QueueUnavailableError
from infra.kafka import waiting
from infra.kafka.held import Held, UnusableRecordError, read_record
from infra.kafka.in_hand import Taken
from infra.kafka.member import GroupMember
from infra.kafka.publisher import MAX_RECORD_BYTES, Publisher
from infra.postgres_queue import Connect, PostgresQueue, encoded

LONGEST_FETCH_S = 5.0
BURIAL_MS = 60_000
"""A recipient that moves to be buried is nobody's to deliver meanwhile."""
_log = logging.getLogger(__name__)


class KafkaQueue:
    """The port `gateways.queue.Queue`; see there. One a process, for all its threads."""

    def __init__(
        self,
        *,
        topic: str,
        publisher: Publisher,
        member: GroupMember,
        connect: Connect,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._topic = topic
        self._publisher = publisher
        self._member = member
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._postgres = PostgresQueue(connect, clock_ms=clock_ms)
        self._lock = threading.RLock()
        self._came: deque[Taken] = deque()
        self._held: dict[str, Held] = {}

    # -- putting

    def expect(self, blob: str, *, size_bytes: int) -> None:
        """The object that is about to be put is touched; waits for a collector that is deleting an older one."""
        self._postgres.expect(blob, size_bytes=size_bytes)

    def put(self, record: QueueRecord) -> None:
        """Take a record; durable on return. While it lies in the topic the collector stays away from its object."""
        self.put_all([record])

    def put_all(self, records: Sequence[QueueRecord]) -> None:
        """Take many records by one flush. Where it raises some may be there: repeat all of them, they count once."""
        stored = [(record, encoded(record)) for record in records]
        large = [record for record, content in stored if len(content) > MAX_RECORD_BYTES]
        if large:
            self._postgres.put_all(large)
        small = [(record.acceptance_id, content) for record, content in stored if len(content) <= MAX_RECORD_BYTES]
        try:
            self._publisher.publish(self._topic, small, together=True)
        except ConnectionError as error:
            raise QueueUnavailableError(str(error)) from error

    # -- leasing

    def end_leases_of_the_dead(self) -> int:
        """Of what waits in Postgres; see `PostgresQueue`. In the topic the group sees to it."""
        return self._postgres.end_leases_of_the_dead()

    def lease(self, worker: str, *, limit: int, lease_s: float) -> Sequence[Leased]:
        """What waited in Postgres and is due, and what comes out of the topic: neither has the other wait.

        While Kafka does not answer, what waits in Postgres is delivered all the same.
        """
        with self._lock:
            until_ms = self._clock_ms() + int(lease_s * 1000)
            half = max(1, limit // 2)
            leased = list(self._postgres.lease(worker, limit=half, lease_s=lease_s))
            may_be_more = len(leased) == half
            try:
                self._lease_out_of_the_topic(leased, limit, until_ms)
                if may_be_more and len(leased) < limit:
                    leased += self._postgres.lease(worker, limit=limit - len(leased), lease_s=lease_s)
            except (QueueUnavailableError, ConnectionError) as outage:
                if not leased:
                    raise QueueUnavailableError(str(outage)) from outage
                _log.warning("of the topic no more is delivered now: %s", outage)
            return leased

    def wait(self, timeout_s: float) -> None:
        """Return when a record came, or after `timeout_s`; also, after that time, while Kafka does not answer."""
        until = time.monotonic() + timeout_s
        try:
            with self._lock:
                if not self._came:
                    self._came.extend(self._member.poll(timeout_s, most=1))
        except ConnectionError as outage:
            _log.warning("no record can come: %s", outage)
            time.sleep(max(0.0, until - time.monotonic()))

    def _lease_out_of_the_topic(self, leased: list[Leased], limit: int, until_ms: int) -> None:
        """First those whose lease has ended in this process, then such as nobody had. What could not be told of those
        that are settled is told first."""
        self._member.commit()
        ended = [held for held in self._held.values() if held.until_ms <= self._clock_ms()]
        leased += [held.lease(until_ms) for held in ended[: limit - len(leased)]]
        while len(leased) < limit and self._fetch(limit - len(leased)):
            leased += [held.lease(until_ms) for held in self._handed_out(limit - len(leased))]
        self._member.trim_now_and_then()

    def _fetch(self, most: int) -> bool:
        """Whether there are records to hand out."""
        if not self._came:
            self._came.extend(self._member.fetch(most=most, patience_s=LONGEST_FETCH_S))
        return bool(self._came)

    def _handed_out(self, most: int) -> list[Held]:
        """Records that are ours to deliver; what raises in between leaves them where they were."""
        some = [self._came.popleft() for _ in range(min(most, len(self._came)))]
        try:
            fresh = self._read(some)
            return self._noted(fresh) if fresh else []
        except Exception:
            self._came.extendleft(reversed(some))
            raise

    def _read(self, some: Sequence[Taken]) -> list[Held]:
        """Those that are not in hand already. One that nothing can be made of is buried and stops nobody."""
        fresh: dict[str, Held] = {}
        for taken in some:
            try:
                record = read_record(taken)
            except UnusableRecordError as unusable:
                self._bury_unusable(taken, str(unusable))
                continue
            there = self._held.get(record.acceptance_id) or fresh.get(record.acceptance_id)
            if there is None:
                fresh[record.acceptance_id] = Held(record, taken)
            else:
                there.add(taken)
        return list(fresh.values())

    def _noted(self, fresh: Sequence[Held]) -> list[Held]:
        """Before anybody has them it is noted that somebody does; those of whom that was noted before move."""
        until: dict[int, int] = {}
        for one in (held.copies[0] for held in fresh):
            until[one.partition] = max(until.get(one.partition, 0), one.offset + 1)
        ends = {p: end for p in until if (end := self._member.highwater(p)) is not None}
        with self._session() as connection, connection.transaction():
            before = waiting.before(connection, self._topic, until, ends=ends)
            again = [h for h in fresh if h.copies[0].offset < before.get(h.copies[0].partition, 0)]
            kept = [held for held in fresh if held not in again]
            moves = [(held.record, sorted(held.open)) for held in again]
            waiting.move(connection, moves, now_ms=self._clock_ms(), interruptions=1)
            waiting.touch(connection, [held.record for held in kept])
        self._held |= {held.record.acceptance_id: held for held in kept}
        if again:
            _log.warning("%d records had been handed out before and wait in Postgres now", len(again))
            self._member.settle(taken for held in again for taken in held.copies)
            self._member.commit()
        return kept

    def _bury_unusable(self, taken: Taken, error: str) -> None:
        with self._session() as connection, connection.transaction():
            stored = taken.value or b""
            name = waiting.bury_unreadable(connection, stored, error=error, now_ms=self._clock_ms())
        _log.error("dead letter: %s, of partition %d at %d: %s", name, taken.partition, taken.offset, error)
        self._member.settle([taken])
        self._member.commit()

    # -- settling

    def done(self, finished: Sequence[tuple[str, Sequence[int]]]) -> None:
        """These recipients are settled; offsets are committed up to the first record that is not."""
        with self._lock:
            self._postgres.done([(one, settled) for one, settled in finished if one not in self._held])
            mine = [(one, settled) for one, settled in finished if one in self._held]
            whole = [one for one, settled in mine if self._held[one].open <= set(settled)]
            if whole:
                with self._session() as connection, connection.transaction():
                    waiting.release(connection, whole)
            for acceptance_id, settled in mine:
                self._settle(acceptance_id, settled)
            self._member.commit()

    def hand_back(self, leased: Sequence[Leased]) -> None:
        """They were not begun: the next lease has them again."""
        with self._lock:
            self._postgres.hand_back([one for one in leased if one.record.acceptance_id not in self._held])
            for one in leased:
                if (held := self._held.get(one.record.acceptance_id)) is not None:
                    held.hand_back()

    def take_alone(self, leased: Leased) -> None:
        """Of a record that still is in the topic this process alone counts the attempts."""
        with self._lock:
            held = self._held.get(leased.record.acceptance_id)
            if held is None:
                self._postgres.take_alone(leased)
            else:
                held.take_alone()

    def postpone(self, leased: Leased, recipient: int, *, due_at: int, failures: int, error: str) -> None:
        """This recipient waits in Postgres, due at `due_at`, having failed so often."""
        with self._lock:
            self._move(leased, recipient, due_at=due_at)
            self._postgres.postpone(leased, recipient, due_at=due_at, failures=failures, error=error)
            self._settle_moved(leased, recipient)

    def bury(self, leased: Leased, recipient: int, *, error: str) -> None:
        """This recipient's delivery becomes a dead letter."""
        with self._lock:
            self._move(leased, recipient, due_at=self._clock_ms() + BURIAL_MS)
            self._postgres.bury(leased, recipient, error=error)
            self._settle_moved(leased, recipient)

    def close(self) -> None:
        """Commit, and leave the group."""
        with self._lock:
            self._member.close()

    def _move(self, leased: Leased, recipient: int, *, due_at: int) -> None:
        """A crash behind it has the recipient tried once more, out of Postgres."""
        held = self._held.get(leased.record.acceptance_id)
        if held is not None and recipient in held.open:
            deaths = min(held.interruptions, SUSPECT)
            with self._session() as connection, connection.transaction():
                moves = [(held.record, [recipient])]
                waiting.move(connection, moves, now_ms=self._clock_ms(), due_at=due_at, interruptions=deaths)

    def _settle_moved(self, leased: Leased, recipient: int) -> None:
        if leased.record.acceptance_id in self._held:
            self._settle(leased.record.acceptance_id, [recipient])
            self._member.commit()

    def _settle(self, acceptance_id: str, settled: Sequence[int]) -> None:
        held = self._held[acceptance_id]
        held.open -= set(settled)
        if not held.open:
            self._member.settle(held.copies)
            del self._held[acceptance_id]

    @contextmanager
    def _session(self) -> Iterator[Connection[Any]]:
        try:
            with self._connect() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise QueueUnavailableError(str(error)) from error
