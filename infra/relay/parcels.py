"""Parcels read from the log (of submissions) or from the record that was taken over (of what nobody submitted)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from domain.automatic_mail import FORWARD
from domain.events import SubmissionQueued, SubmissionRecipient
from domain.ids import MailboxId
from domain.rows import RecipientStatus
from gateways.outgoing import DueMail
from gateways.queue import QueueRecord
from gateways.relay.parcels import Parcel
from infra.postgres_queue import Connect, decoded
from infra.store.mapper import StoredRow
from infra.store.reading import StreamReader

_SCHEDULED = (
    "SELECT r.mailbox_id, r.submission_id, r.queued_at, r.delay_told, s.recipients::text, s.created_seq,"
    " coalesce(r.blob, m.blob), coalesce(r.size_bytes, m.size)"
    " FROM unnest(%s::text[], %s::text[], %s::text[]) AS n(m, s, d)"
    " JOIN relay_schedule r ON r.mailbox_id = n.m AND r.submission_id = n.s AND r.domain = n.d"
    " JOIN mailboxes b ON b.mailbox_id = n.m AND NOT b.erased"
    " JOIN submissions s ON s.mailbox_id = n.m AND s.generation = b.generation AND s.submission_id = n.s"
    " JOIN messages m ON m.mailbox_id = n.m AND m.generation = b.generation AND m.message_id = s.message_id"
)
_RECORDS = (
    "SELECT r.submission_id, r.queued_at, r.delay_told, k.record"
    " FROM unnest(%s::text[], %s::text[]) AS n(s, d)"
    " JOIN relay_schedule r ON r.mailbox_id = '' AND r.submission_id = n.s AND r.domain = n.d"
    " JOIN relay_records k ON k.acceptance_id = n.s"
)
OWN_SOURCES = frozenset({"sent", "notification"})
"""Of records: what an account here sent, and what the installation itself has to say."""
Row = tuple[str, str, int, bool, str, int, str, int]


class PostgresParcels:
    """The port `gateways.relay.parcels.Parcels`; see there."""

    def __init__(self, connect: Connect, reader: StreamReader) -> None:
        self._connect = connect
        self._reader = reader

    def open(self, due: Sequence[DueMail]) -> Mapping[DueMail, Parcel | Exception | None]:
        """See `Parcels.open`. Raises: psycopg.OperationalError, where nothing can be read now."""
        submitted, taken = [one for one in due if one.mailbox_id], [one for one in due if not one.mailbox_id]
        with self._connect() as connection:
            rows = self._rows(connection, submitted)
            records = self._records(connection, taken)
        events = self._reader.rows_at([(MailboxId(row[0]), row[5]) for row in rows.values()])
        found: dict[DueMail, Parcel | Exception | None] = {}
        for one in submitted:
            row = rows.get((one.mailbox_id, one.submission_id))
            event = None if row is None else events.get((one.mailbox_id, row[5]))
            found[one] = None if row is None or event is None else self._submitted_or_error(one, row, event)
        for one in taken:
            found[one] = _taken_or_error(one, records.get(one.submission_id))
        return found

    @staticmethod
    def _rows(connection: Connection[Any], due: Sequence[DueMail]) -> dict[tuple[str, str], Row]:
        if not due:
            return {}
        columns = [one.mailbox_id for one in due], [one.submission_id for one in due], [one.domain for one in due]
        return {(row[0], row[1]): row for row in connection.execute(_SCHEDULED, columns).fetchall()}

    @staticmethod
    def _records(connection: Connection[Any], due: Sequence[DueMail]) -> dict[str, tuple[str, int, bool, bytes]]:
        if not due:
            return {}
        columns = [one.submission_id for one in due], [one.domain for one in due]
        return {row[0]: row for row in connection.execute(_RECORDS, columns).fetchall()}

    def _submitted_or_error(self, due: DueMail, row: Row, event: StoredRow) -> Parcel | Exception | None:
        try:
            return self._submitted(due, row, event)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - on show in the schedule until it succeeds
            return error

    def _submitted(self, due: DueMail, row: Row, event: StoredRow) -> Parcel | None:
        """None where the message's key is gone."""
        _mailbox, _submission, queued_at, delay_told, recipients, _seq, blob, size = row
        queued = self._reader.recorded_row(event).event
        if not isinstance(queued, SubmissionQueued) or not queued.personal:
            return None
        statuses = msgspec.json.decode(recipients, type=list[RecipientStatus])
        return Parcel(
            due=due,
            mail_from=queued.personal.mail_from,
            recipients=queued.personal.recipients,
            statuses=tuple(one.status for one in statuses),
            last_replies=tuple(one.last_reply for one in statuses),
            blob=blob,
            size_bytes=size,
            queued_at=queued_at,
            is_delay_told=delay_told,
            stream=queued.stream,
            is_written_here=queued.stream != FORWARD,
            ret=queued.personal.ret,
            envid=queued.personal.envid,
        )


def _taken_or_error(due: DueMail, row: tuple[str, int, bool, bytes] | None) -> Parcel | Exception | None:
    if row is None:
        return None
    try:
        record = decoded(row[3])
    except msgspec.DecodeError as error:
        return error
    return _taken(due, record, queued_at=row[1], is_delay_told=row[2])


def _taken(due: DueMail, record: QueueRecord, *, queued_at: int, is_delay_told: bool) -> Parcel:
    envelope = record.envelope
    return Parcel(
        due=due,
        mail_from=envelope.reverse_path,
        recipients=tuple(SubmissionRecipient(one.forward_path, one.notify, one.orcpt) for one in envelope.recipients),
        blob=record.blob,
        size_bytes=envelope.size_bytes,
        queued_at=queued_at,
        is_delay_told=is_delay_told,
        is_reported=False,
        is_written_here=envelope.source in OWN_SOURCES,
        ret=envelope.ret,
        envid=envelope.envid,
    )
