"""Folding batches of the log into the generation that a rebuild builds, each written while the next one is folded.

A batch and the note of how far the rebuild came are one transaction. It is sent whole, and its answer waited for only
once the next batch is folded: Postgres writes while Python folds. So nothing is sent before what was sent before it is
durable, and an end at any moment leaves a generation that stands where its note says.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import msgspec
import psycopg
from psycopg import Connection

from domain.rows import MailboxRow, Needs, Rows, RowsMissingError
from infra.rebuild_ahead import Batch, Folded, laid_over, load
from infra.store.row_writing import Written, write_rows
from infra.store.wire import Asks, Wire
from projections.event_needs import new_rows_asked
from projections.in_step import changes

UNSEEN_BATCHES = 2
"""So many batches before one may be missing in the snapshot that its rows were read ahead in: one sent, one folded."""

_NOTE = (
    "INSERT INTO rebuilds (mailbox_id, generation, applied_seq, mailbox) VALUES (%s, %s, %s, %s::json)"
    " ON CONFLICT (mailbox_id) DO UPDATE SET applied_seq = excluded.applied_seq, mailbox = excluded.mailbox"
)

Durable = Callable[[int], None]
"""Told up to which seq the generation stands, durably."""
_Anew = Callable[[Needs], Rows]


class Building(msgspec.Struct):
    """A generation that is being built, and the mailbox row as the events folded so far leave it."""

    mailbox: MailboxRow
    generation: int

    def row(self) -> MailboxRow:
        """A mailbox row of its own, in this generation."""
        return msgspec.structs.replace(self.mailbox, generation=self.generation)


def note(asks: Asks, building: Building) -> None:
    """Queue the note of where the rebuild stands."""
    mailbox = building.mailbox
    row = msgspec.json.encode(mailbox).decode()
    asks.ask(_NOTE, (mailbox.mailbox_id, str(building.generation), str(mailbox.head), row))


def write(asks: Asks, building: Building, done: Folded) -> None:
    """Queue what a batch came to and the note of it, for one transaction."""
    head_before, building.mailbox = building.mailbox.head, done.rows.mailbox
    write_rows(asks, [Written(done.rows, done.touched, head_before, b"")], generation=building.generation)
    note(asks, building)


def folded(building: Building, batch: Batch, rows: Rows, anew: _Anew) -> Folded:
    """The batch applied to its rows, loaded `anew` with what they lack as often as they lack something."""
    needs = batch.needs
    for _round in range(len(batch.events) + 8):
        rows.mailbox = building.row()
        new_rows_asked(rows, batch.events)
        try:
            return Folded(rows, changes(rows, batch.events))
        except RowsMissingError as missing:
            needs = needs | missing.needs
            rows = anew(needs)
    mailbox = building.mailbox
    raise RuntimeError(f"the events of {mailbox.mailbox_id} after {mailbox.head} ask for rows without end")


class WriteBehind:
    """Folds batches that were read ahead, in their order; a context manager that has the connection for itself."""

    def __init__(self, connection: Connection[Any], building: Building, durable: Durable) -> None:
        self._wire = Wire(connection)
        self._building = building
        self._durable = durable
        self._before: deque[Folded | None] = deque(maxlen=UNSEEN_BATCHES)
        """What the batches last folded came to; None where that is not known any more."""
        self._sent: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(psycopg.Error):
                self._receive()
            self._wire.close()
            return
        try:
            self.settle()
        except BaseException:
            self._wire.close()
            raise
        self._wire.give_back()

    def fold(self, batch: Batch) -> None:
        """Fold the batch that follows, and send it once the one before it is durable.

        Raises: psycopg.Error, where that one could not be written; this one is then not sent.
        """
        rows = batch.rows if laid_over(batch.rows, self._before) else self._loaded(batch.needs)
        done = folded(self._building, batch, rows, self._anew)
        self.settle()
        self._before.append(done)
        self._wire.ask("BEGIN")
        write(self._wire, self._building, done)
        self._wire.ask("COMMIT")
        self._sent = self._building.mailbox.head
        self._wire.send()

    def settle(self) -> None:
        """Wait until what was sent is durable. Raises: psycopg.Error"""
        if (reached := self._receive()) is not None:
            self._durable(reached)

    def _receive(self) -> int | None:
        reached, self._sent = self._sent, None
        if reached is not None:
            self._wire.receive()
        return reached

    def _anew(self, needs: Needs) -> Rows:
        """Rows for a batch that lacked some: it has spoilt those of the batches before, which became its own."""
        self._before.extend([None] * UNSEEN_BATCHES)
        return self._loaded(needs)

    def _loaded(self, needs: Needs) -> Rows:
        """Rows as they stand once everything folded so far is written."""
        self.settle()
        return load(self._wire, self._wire.round_trip, self._building.row(), needs)
