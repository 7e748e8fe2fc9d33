"""The following view of correspondents on Postgres, and the suggestions made of it."""

import time
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.erasing import is_erased
from infra.views.database import Database
from projections.contacts import MAX_SUGGESTIONS, Correspondent, correspondents, score

_ADD = """
    INSERT INTO correspondents AS c (mailbox_id, address, name, sent, received, last_at)
    SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) ORDER BY 2
    ON CONFLICT (mailbox_id, address) DO UPDATE SET
        name = CASE WHEN excluded.name = '' THEN c.name ELSE excluded.name END,
        sent = c.sent + excluded.sent,
        received = c.received + excluded.received,
        last_at = greatest(c.last_at, excluded.last_at)
"""
_FIND = """
    SELECT address, name, sent, received, last_at FROM correspondents
    WHERE mailbox_id = %s AND (address LIKE %s OR address LIKE %s OR lower(name) LIKE %s OR lower(name) LIKE %s)
    ORDER BY last_at DESC LIMIT 500
"""


class ContactsView:
    """`FollowingView` that counts correspondents."""

    name = "contacts"

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        """The cursor as stored: rows and cursor are one transaction."""
        return applied_seq

    def apply(self, connection: Connection[Any], mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        """Add what these events tell; of an erased mailbox nothing stays."""
        if is_erased(connection, mailbox_id):
            self.forget(connection, mailbox_id)
            return events[-1].seq
        found = list(correspondents(events).values())
        if found:
            connection.execute(
                _ADD,
                (
                    mailbox_id,
                    [one.address.replace("\0", "\ufffd") for one in found],
                    [one.name.replace("\0", "\ufffd") for one in found],
                    [one.sent for one in found],
                    [one.received for one in found],
                    [one.last_at for one in found],
                ),
            )
        return events[-1].seq

    def settle(self) -> None:
        """Nothing lies outside the database."""

    def forget(self, connection: Connection[Any], mailbox_id: MailboxId) -> None:
        """Take the view's rows of a mailbox away: for good, or to be made again in the same transaction."""
        connection.execute("DELETE FROM correspondents WHERE mailbox_id = %s", (mailbox_id,))


class StoredSuggestions:
    """`projections.contacts.Suggestions` on the view's rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, mailbox_id: MailboxId, q: str, *, limit: int = MAX_SUGGESTIONS) -> list[Correspondent]:
        """Correspondents whose address or name has a word that begins with `q`."""
        typed = q.strip().lower()[:100].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        patterns = (f"{typed}%", f"%@{typed}%", f"{typed}%", f"% {typed}%")
        rows = [Correspondent(*values) for values in self._database.all(_FIND, (mailbox_id, *patterns))]
        now_ms = time.time_ns() // 1_000_000
        return sorted(rows, key=lambda one: -score(one, now_ms))[:limit]
