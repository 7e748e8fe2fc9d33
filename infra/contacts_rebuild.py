"""Making the view of correspondents again from the log while it is followed: a mailbox a transaction."""

from collections.abc import Callable
from typing import Any

import msgspec
from psycopg import Connection

from domain.ids import MailboxId
from infra.contacts_view import ContactsView
from infra.store.reading import StreamReader
from projections.contacts import Correspondent, correspondents

BATCH_EVENTS = 500

Progress = Callable[[int], None]
"""Told how many events of the mailbox are folded."""

_CURSOR = "INSERT INTO followers (view, mailbox_id) VALUES ('contacts', %s) ON CONFLICT DO NOTHING"
_LOCK = "SELECT applied_seq FROM followers WHERE view = 'contacts' AND mailbox_id = %s FOR NO KEY UPDATE"
_MOVE = (
    "UPDATE followers SET applied_seq = %s, parked_error = NULL, parked_at = NULL"
    " WHERE view = 'contacts' AND mailbox_id = %s"
)
_STORED = """
    SELECT coalesce(f.applied_seq, 0), c.address, c.name, c.sent, c.received, c.last_at
    FROM mailboxes b LEFT JOIN followers f ON f.mailbox_id = b.mailbox_id AND f.view = 'contacts'
    LEFT JOIN correspondents c ON c.mailbox_id = b.mailbox_id WHERE b.mailbox_id = %s
"""


def rebuild_contacts(
    connection: Connection[Any],
    reader: StreamReader,
    mailbox_id: MailboxId,
    progress: Progress = lambda _seq: None,
) -> int:
    """Fold a mailbox's correspondents anew; how many events that took. Readers see the old ones until the new stand."""
    view = ContactsView()
    with connection.transaction():
        connection.execute(_CURSOR, (mailbox_id,))
        connection.execute(_LOCK, (mailbox_id,))
        view.forget(connection, mailbox_id)
        seq = 0
        while events := reader.batch(mailbox_id, seq, limit=BATCH_EVENTS):
            view.apply(connection, mailbox_id, events)
            seq = events[-1].seq
            progress(seq)
        connection.execute(_MOVE, (seq, mailbox_id))
    return seq


def verify_contacts(connection: Connection[Any], reader: StreamReader, mailbox_id: MailboxId) -> list[str]:
    """Every difference between the stored correspondents and those that the log tells of (must be none)."""
    rows = connection.execute(_STORED, (mailbox_id,)).fetchall()
    applied_seq = rows[0][0] if rows else 0
    stored = {row[1]: Correspondent(*row[1:]) for row in rows if row[1] is not None}
    told = _folded(reader, mailbox_id, applied_seq)
    return [
        f"correspondent {address}: {_shown(stored.get(address))} was stored, the log says {_shown(told.get(address))}"
        for address in sorted(stored.keys() | told.keys())
        if stored.get(address) != told.get(address)
    ]


def _folded(reader: StreamReader, mailbox_id: MailboxId, until: int) -> dict[str, Correspondent]:
    found = correspondents(reader.recorded(mailbox_id, until=until))
    clean = {address.replace("\0", "\ufffd"): one for address, one in found.items()}
    return {
        address: msgspec.structs.replace(one, address=address, name=one.name.replace("\0", "\ufffd"))
        for address, one in clean.items()
    }


def _shown(one: Correspondent | None) -> str:
    return "nothing" if one is None else f"{one.name!r} sent {one.sent} received {one.received} last {one.last_at}"
