"""Records of the queue whose recipients are elsewhere, taken over into the relay's schedule."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection

from domain.addresses import EmailAddress
from domain.ids import MailboxId, SubmissionId
from domain.times import DAY_MS
from gateways.outgoing import DueMail
from gateways.queue import QueueRecord
from infra import blob_references
from infra.postgres_queue import Connect, encoded, queue_holder
from infra.relay.scheduled_rows import NewRow, add_rows, record_holder

_NEW = (
    "INSERT INTO relay_records (acceptance_id, record, taken, taken_at) VALUES (%s, %s, '{}', %s)"
    " ON CONFLICT DO NOTHING"
)
_TAKEN = "SELECT taken FROM relay_records WHERE acceptance_id = %s FOR UPDATE"
_MORE = "UPDATE relay_records SET taken = taken || %s::integer[], done_at = NULL WHERE acceptance_id = %s"
_OLD = "DELETE FROM relay_records WHERE done_at < %s"
NOBODY = MailboxId("")
"""Whose it is in the schedule."""


class PostgresRelaying:
    """The port `gateways.delivery.relaying.Relaying`; see there."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def take(self, record: QueueRecord, recipients: Sequence[int]) -> None:
        """See `Relaying.take`."""
        now = self._clock_ms()
        with self._connect() as connection, connection.transaction():
            connection.execute(_NEW, (record.acceptance_id, encoded(record), now))
            found = connection.execute(_TAKEN, (record.acceptance_id,)).fetchone()
            assert found is not None
            new = [recipient for recipient in recipients if recipient not in found[0]]
            if new:
                connection.execute(_MORE, (new, record.acceptance_id))
                _hold(connection, record)
                add_rows(connection, [NewRow(due, now) for due in _due(record, new)], due_at=now)


def tidy_records(now_ms: int, *, connect: Connect, days: int) -> int:
    """Forget the records that were relayed so long ago that no worker comes back with them; how many."""
    with connect() as connection, connection.transaction():
        return connection.execute(_OLD, (now_ms - days * DAY_MS,)).rowcount


def _hold(connection: Connection[Any], record: QueueRecord) -> None:
    """The record's object, and the attachments that delivery may have split from it."""
    names = {record.blob, *blob_references.names_held(connection, queue_holder(record.acceptance_id))}
    blob_references.hold_many(connection, {record_holder(record.acceptance_id): sorted(names)})


def _due(record: QueueRecord, recipients: Sequence[int]) -> list[DueMail]:
    by_domain: dict[str, list[int]] = {}
    for recipient in recipients:
        domain = EmailAddress.parse(record.envelope.recipients[recipient].forward_path).domain
        by_domain.setdefault(domain, []).append(recipient)
    return [
        DueMail(
            domain=domain,
            mailbox_id=NOBODY,
            submission_id=SubmissionId(record.acceptance_id),
            recipients=tuple(its),
            attempt=1,
        )
        for domain, its in by_domain.items()
    ]
