"""Claims submissions that are due: out of `outbox` into `sending`, under the locks of their mailbox rows.

Undo deletes the outbox row in its append, which holds the same lock: so either it comes first and nothing is claimed,
or it finds no row and answers that the message has left.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from domain.automatic_mail import STREAMS
from domain.events import SubmissionQueued
from domain.ids import MailboxId, SubmissionId
from domain.rows import RecipientStatus
from gateways.delivery.outbox import Sending
from gateways.outgoing import DueMail
from infra.gathering import Gathering
from infra.postgres_queue import Connect, shown
from infra.relay.scheduled_rows import NewRow, add_rows
from infra.store.reading import StreamReader

CLAIMED_AT_ONCE = 100
PARKED_MS = 600_000
UNREADABLE_FILE_PAUSE_MS = 5_000

_DUE = (
    "SELECT o.mailbox_id FROM outbox o JOIN mailboxes b ON b.mailbox_id = o.mailbox_id AND NOT b.sending_blocked"
    " WHERE o.due_at <= %s ORDER BY o.due_at LIMIT %s"
)
"""What a mailbox queued before its sending was blocked waits until that is lifted."""
_LOCK = "SELECT FROM mailboxes WHERE mailbox_id = ANY(%s) ORDER BY mailbox_id FOR NO KEY UPDATE"
_CLAIM = (
    "WITH taken AS (DELETE FROM outbox o USING mailboxes b WHERE o.mailbox_id = ANY(%s) AND o.due_at <= %s"
    " AND b.mailbox_id = o.mailbox_id AND NOT b.sending_blocked"
    " RETURNING o.mailbox_id, o.submission_id, o.blob, o.size_bytes)"
    " INSERT INTO sending (mailbox_id, submission_id, claimed_at, due_at, blob, size_bytes)"
    " SELECT mailbox_id, submission_id, n.at, n.at, blob, size_bytes"
    " FROM taken CROSS JOIN (SELECT %s::bigint AS at) AS n"
    " ON CONFLICT DO NOTHING"
)
"""Due as of now: who was claimed first comes first, so that under load nobody waits for others who go on sending."""
_LEASE = (
    "WITH due AS MATERIALIZED (SELECT mailbox_id, submission_id FROM sending WHERE due_at <= %s"
    " ORDER BY due_at, mailbox_id LIMIT %s FOR UPDATE SKIP LOCKED)"
    " UPDATE sending s SET due_at = %s FROM due"
    " WHERE s.mailbox_id = due.mailbox_id AND s.submission_id = due.submission_id"
    " RETURNING s.mailbox_id, s.submission_id, s.claimed_at, s.attempts, s.failures, s.blob, s.size_bytes"
)
_Leased = tuple[str, str, int, int, int, str | None, int | None]
_SUBMISSION = (
    "SELECT m.blob, s.recipients::text, s.created_seq, m.size FROM mailboxes b"
    " JOIN submissions s ON s.mailbox_id = b.mailbox_id AND s.generation = b.generation"
    " JOIN messages m ON m.mailbox_id = b.mailbox_id AND m.generation = b.generation AND m.message_id = s.message_id"
    " WHERE b.mailbox_id = %s AND s.submission_id = %s AND NOT b.erased"
)
_POSTPONE = (
    "UPDATE sending SET due_at = %s, attempts = attempts + 1, failures = %s, error = %s"
    " WHERE mailbox_id = %s AND submission_id = %s"
)
_PARK = "UPDATE sending SET due_at = %s, error = %s WHERE mailbox_id = %s AND submission_id = %s"
_DONE = (
    "WITH done AS MATERIALIZED (SELECT s.mailbox_id, s.submission_id FROM sending s"
    " JOIN unnest(%s::text[], %s::text[]) AS n(mailbox_id, submission_id)"
    " ON n.mailbox_id = s.mailbox_id AND n.submission_id = s.submission_id ORDER BY 1, 2 FOR UPDATE OF s)"
    " DELETE FROM sending s USING done WHERE s.mailbox_id = done.mailbox_id AND s.submission_id = done.submission_id"
    " RETURNING s.mailbox_id, s.submission_id"
)
"""Locked in one order, whoever ends some of the same."""
_Ended = tuple[Sending, Sequence[DueMail]]
"""A submission with what of it goes to the relay."""


class PostgresOutbox:
    """The port `gateways.delivery.outbox.Outbox`; see there."""

    def __init__(self, connect: Connect, reader: StreamReader, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._reader = reader
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._endings: Gathering[_Ended] = Gathering(self._end_all)

    def lease(self, *, limit: int, lease_s: float) -> Sequence[Sending]:
        """Claim what is due in the outbox, and lease what is due of the claimed."""
        now = self._clock_ms()
        with self._connect() as connection:
            self._claim(connection, now)
            with connection.transaction():
                leased = connection.execute(_LEASE, (now, limit, now + int(lease_s * 1000))).fetchall()
            return [sending for row in leased if (sending := self._read_or_parked(connection, row, now)) is not None]

    def postpone(self, sending: Sending, *, due_at: int, failures: int, error: str) -> None:
        """Worked through; due again at `due_at`."""
        place = (sending.mailbox_id, sending.submission_id)
        with self._connect() as connection, connection.transaction():
            connection.execute(_POSTPONE, (due_at, failures, shown(error), *place))

    def wait(self, sending: Sending, *, due_at: int, error: str) -> None:
        """Could not be worked through; due again at `due_at`."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_PARK, (due_at, shown(error), sending.mailbox_id, sending.submission_id))

    def done(self, sending: Sending) -> None:
        """Nothing is left to do for it."""
        self._endings.run((sending, ()))

    def relay(self, sending: Sending, due: Sequence[DueMail]) -> None:
        """The row goes and theirs come; where it has gone already they came with that."""
        self._endings.run((sending, due))

    def _end_all(self, endings: Sequence[_Ended]) -> None:
        """What several senders have done with, in one commit."""
        with self._connect() as connection, connection.transaction():
            columns = ([one.mailbox_id for one, _ in endings], [one.submission_id for one, _ in endings])
            ended = set(connection.execute(_DONE, columns).fetchall())
            rows = [
                _row(sending, one)
                for sending, due in endings
                if (sending.mailbox_id, sending.submission_id) in ended
                for one in due
            ]
            if rows:
                add_rows(connection, rows, due_at=self._clock_ms())

    @staticmethod
    def _claim(connection: Connection[Any], now: int) -> None:
        due = [mailbox_id for (mailbox_id,) in connection.execute(_DUE, (now, CLAIMED_AT_ONCE)).fetchall()]
        if not due:
            return
        with connection.transaction():
            connection.execute(_LOCK, (due,))
            connection.execute(_CLAIM, (due, now, now))

    def _read_or_parked(self, connection: Connection[Any], row: _Leased, now: int) -> Sending | None:
        """The submission; one that cannot be read is put off, its error on show, and the others go on."""
        try:
            return self._read(connection, row)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - on show in the row until it succeeds
            due_at = now + (UNREADABLE_FILE_PAUSE_MS if isinstance(error, OSError) else PARKED_MS)
            with connection.transaction():
                connection.execute(_PARK, (due_at, shown(f"{type(error).__name__}: {error}"), row[0], row[1]))
            return None

    def _read(self, connection: Connection[Any], row: _Leased) -> Sending | None:
        """The submission as it stands; none, and no more of it, where its mailbox or its message's key is gone."""
        mailbox_id, submission_id, claimed_at, attempts, failures, blob, size_bytes = row
        found = connection.execute(_SUBMISSION, (mailbox_id, submission_id)).fetchone()
        statuses = msgspec.json.decode(found[1], type=list[RecipientStatus]) if found is not None else []
        queued = self._queued(MailboxId(mailbox_id), found[2]) if found is not None else None
        if found is None or queued is None or not queued.personal:
            with connection.transaction():
                connection.execute(_DONE, ([mailbox_id], [submission_id]))
            return None
        return Sending(
            mailbox_id=MailboxId(mailbox_id),
            submission_id=SubmissionId(submission_id),
            claimed_at=claimed_at,
            blob=blob or found[0],
            size_bytes=size_bytes or found[3],
            stream=queued.stream,
            mail_from=queued.personal.mail_from,
            recipients=queued.personal.recipients,
            ret=queued.personal.ret,
            envid=queued.personal.envid,
            statuses=tuple(status.status for status in statuses),
            attempts=attempts,
            failures=failures,
        )

    def _queued(self, mailbox_id: MailboxId, seq: int) -> SubmissionQueued | None:
        recorded = self._reader.batch(mailbox_id, seq - 1, limit=1)
        event = recorded[0].event if recorded else None
        return event if isinstance(event, SubmissionQueued) else None


def _row(sending: Sending, due: DueMail) -> NewRow:
    own = (sending.blob, sending.size_bytes) if sending.stream in STREAMS else (None, None)
    return NewRow(due, sending.claimed_at, *own)
