"""Failures here of submissions that go elsewhere too, among what the relay tells their senders.

The note that a submission is awaited decides who tells: it is locked where something is added, and is gone before the
relay reads what it tells (`PostgresSchedule.settle`). So nothing is added that nobody reads any more.
"""

import time
from collections.abc import Callable, Sequence

from domain.ids import MailboxId, SubmissionId
from gateways.delivery.notification import Bounce
from gateways.queue import QueueRecord
from infra.postgres_queue import Connect, shown
from infra.relay.outcomes import OUTCOME

AWAITED_MS = 600_000
_EXPECT = (
    "INSERT INTO relay_awaited (mailbox_id, submission_id, until) VALUES (%s, %s, %s)"
    " ON CONFLICT (mailbox_id, submission_id) DO UPDATE SET until = excluded.until"
)
_STANDS = "SELECT FROM relay_awaited WHERE mailbox_id = %s AND submission_id = %s AND until > %s FOR UPDATE"
_OVER = (
    "DELETE FROM relay_awaited USING unnest(%s::text[], %s::text[]) AS n(m, s)"
    " WHERE mailbox_id = m AND submission_id = s"
)


class PostgresJointNotices:
    """The port `gateways.delivery.joint_notice.JointNotices`; see there."""

    def __init__(self, connect: Connect, *, clock_ms: Callable[[], int] | None = None) -> None:
        self._connect = connect
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def expect(self, mailbox_id: MailboxId, submission_id: SubmissionId) -> None:
        """See `JointNotices.expect`."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_EXPECT, (mailbox_id, submission_id, self._clock_ms() + AWAITED_MS))

    def take(self, record: QueueRecord, bounces: Sequence[Bounce]) -> bool:
        """See `JointNotices.take`."""
        envelope = record.envelope
        if not record.is_shared:
            return False
        key = envelope.sender_mailbox, envelope.submission_id
        rows = [(*key, record.submission_recipients[one.recipient], one.action, shown(one.reply)) for one in bounces]
        with self._connect() as connection, connection.transaction():
            if connection.execute(_STANDS, (*key, self._clock_ms())).fetchone() is None:
                return False
            with connection.cursor() as cursor:
                cursor.executemany(OUTCOME, rows)
        return True

    def over(self, records: Sequence[QueueRecord]) -> None:
        """See `JointNotices.over`."""
        envelopes = [record.envelope for record in records if record.is_shared]
        if envelopes:
            columns = [one.sender_mailbox for one in envelopes], [one.submission_id for one in envelopes]
            with self._connect() as connection, connection.transaction():
                connection.execute(_OVER, columns)
