"""Whom a late bounce is told to: the owner of the mailbox that sent the message, unless he asked for no such word."""

from domain.events import SubmissionQueued
from domain.ids import MailboxId, SubmissionId
from infra.postgres_queue import Connect
from infra.store.reading import StreamReader

_FIND = (
    "SELECT a.address, s.created_seq FROM mailboxes b"
    " JOIN accounts a ON a.mailbox_id = b.mailbox_id AND a.state NOT IN ('suspended', 'closed')"
    " JOIN submissions s ON s.mailbox_id = b.mailbox_id AND s.generation = b.generation"
    " WHERE b.mailbox_id = %s AND s.submission_id = %s AND NOT b.erased"
)


class SubmissionOwners:
    """The owners of mailboxes as `gateways.delivery.returned` asks for them. Blocks."""

    def __init__(self, connect: Connect, reader: StreamReader) -> None:
        self._connect = connect
        self._reader = reader

    def to_be_told(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str | None:
        """The owner's address; None where nobody is there, or NOTIFY (RFC 3461 section 4.1) leaves failures out."""
        with self._connect() as connection:
            row = connection.execute(_FIND, (mailbox_id, submission_id)).fetchone()
        if row is None:
            return None
        notify = self._notify(mailbox_id, row[1], place)
        return str(row[0]) if not notify or "FAILURE" in notify else None

    def _notify(self, mailbox_id: MailboxId, seq: int, place: int) -> tuple[str, ...]:
        recorded = self._reader.batch(mailbox_id, seq - 1, limit=1)
        event = recorded[0].event if recorded else None
        if not isinstance(event, SubmissionQueued) or not event.personal:
            return ()
        return event.personal.recipients[place].notify
