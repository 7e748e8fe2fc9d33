"""A given stream put into the log as lanes put it there, sealed and chained, with rows rebuilt from it."""

from collections.abc import Iterable

import msgspec
import psycopg

from domain import events as e
from domain.chain import GENESIS
from domain.ids import MailboxId
from infra.rebuild import rebuild_mailbox
from infra.store.mapper import StoredRow, keyed_message, to_stored
from tests.system.given_mailbox import GivenMailboxes

SALT = bytes(16)
FORGOTTEN = {
    e.MessageDelivered: e.MessagePersonal(subject="forgotten"),
    e.MessageReparsed: e.MessagePersonal(subject="forgotten"),
    e.SubmissionQueued: e.SubmissionPersonal("forgotten@example.org", ()),
    e.RecipientReported: e.RecipientPersonal("forgotten@example.org"),
}
"""What the personal section of an event said whose message's own key is gone."""


def record(given: GivenMailboxes, mailbox_id: MailboxId, events: Iterable[e.RecordedEvent]) -> list[StoredRow]:
    """The rows of these events in the log of a mailbox that holds none."""
    key = given.keys.create(mailbox_id)
    rows, before, at = [], GENESIS, 0
    for recorded in events:
        event = recorded.event
        assert event is not None
        if recorded.redacted:
            event = msgspec.structs.replace(event, personal=FORGOTTEN[type(event)])
        salt = SALT if keyed_message(event) is not None else None
        place = {"mailbox_id": mailbox_id, "seq": recorded.seq, "recorded_at": recorded.recorded_at}
        row = to_stored(key, event, recorded.who, **place, before=before, salt=salt)
        before, at = row.hash, recorded.recorded_at
        rows.append(msgspec.structs.replace(row, salt=None) if recorded.redacted else row)
    with psycopg.connect(given.url) as connection:
        connection.execute(
            "INSERT INTO mailboxes (mailbox_id, head, head_hash, recorded_at) VALUES (%s, %s, %s, %s)",
            (mailbox_id, len(rows), before, at),
        )
        columns = [(r.mailbox_id, r.seq, r.topic, r.state, r.recorded_at, r.key_id, r.hash) for r in rows]
        _copy(connection, "stored_events", columns)
        _copy(connection, "message_salts", [(r.mailbox_id, r.seq, f"e{r.seq}", r.salt) for r in rows if r.salt])
    return rows


def _copy(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def record_and_rebuild(given: GivenMailboxes, name: str, events: Iterable[e.RecordedEvent]) -> MailboxId:
    """A mailbox with this history, its rows in step made by a rebuild."""
    mailbox_id = MailboxId(name)
    record(given, mailbox_id, events)
    rebuild_mailbox(given.url, given.reader, mailbox_id, force=True)
    return mailbox_id
