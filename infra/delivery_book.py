"""What delivery keeps beside the log, on Postgres.

A sender that missed our 250 sends the message again, as another acceptance. The first acceptance of a (mailbox,
fingerprint) is registered before the append; whoever delivers the message, original or repeat, uses the first one's
command id. So of any number of racing or crashing workers exactly one appends. Later than the window the row goes over
to the newer acceptance, and never back to an older one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from domain.ids import MailboxId
from domain.times import DAY_MS
from gateways.delivery.book import Entry
from infra import blob_references
from infra.extracts import store_extracts
from infra.postgres_queue import Connect, queue_holder

REPEAT_DAYS = 7

_FIRST = (
    "INSERT INTO recent_deliveries AS r (mailbox_id, fingerprint, acceptance_id, received_at)"
    " SELECT * FROM unnest(%(mailboxes)s::text[], %(fingerprints)b::bytea[], %(acceptances)s::text[], %(at)s::bigint[])"
    " AS n(mailbox_id, fingerprint, acceptance_id, received_at) ORDER BY n.mailbox_id, n.fingerprint"
    " ON CONFLICT (mailbox_id, fingerprint) DO UPDATE SET"
    " acceptance_id = CASE WHEN excluded.received_at > r.received_at + %(window)s"
    " THEN excluded.acceptance_id ELSE r.acceptance_id END,"
    " received_at = CASE WHEN excluded.received_at > r.received_at + %(window)s"
    " THEN excluded.received_at ELSE r.received_at END"
    " RETURNING mailbox_id, fingerprint, acceptance_id, received_at"
)

Key = tuple[MailboxId, bytes]


class PostgresBook:
    """The port `gateways.delivery.book.Book`; see there."""

    def __init__(self, connect: Connect, *, repeat_days: int = REPEAT_DAYS) -> None:
        self._connect = connect
        self._window_ms = repeat_days * DAY_MS

    def enter(self, entries: Sequence[Entry]) -> Mapping[tuple[str, MailboxId], str]:
        """Touches, holds, extracts and first acceptances in one transaction."""
        with self._connect() as connection, connection.transaction():
            _take_attachments(connection, entries)
            store_extracts(connection, {entry.blob: entry.parsed for entry in entries})
            return self._first_acceptances(connection, entries)

    def _first_acceptances(
        self, connection: Connection[Any], entries: Sequence[Entry]
    ) -> Mapping[tuple[str, MailboxId], str]:
        asking = [(m, entry) for entry in entries if entry.fingerprint for m in entry.mailboxes]
        earliest: dict[Key, Entry] = {}
        for mailbox_id, entry in sorted(asking, key=lambda pair: (pair[1].received_at, pair[1].acceptance_id)):
            earliest.setdefault((mailbox_id, entry.fingerprint), entry)
        first = self._register(connection, earliest) if earliest else {}
        return {
            (e.acceptance_id, m): self._named(e, first.get((m, e.fingerprint))) for e in entries for m in e.mailboxes
        }

    def _register(self, connection: Connection[Any], asking: Mapping[Key, Entry]) -> dict[Key, tuple[str, int]]:
        place = {
            "mailboxes": [mailbox_id for mailbox_id, _ in asking],
            "fingerprints": [fingerprint for _, fingerprint in asking],
            "acceptances": [entry.acceptance_id for entry in asking.values()],
            "at": [entry.received_at for entry in asking.values()],
            "window": self._window_ms,
        }
        rows = connection.execute(_FIRST, place).fetchall()
        return {(MailboxId(m), bytes(f)): (acceptance_id, at) for m, f, acceptance_id, at in rows}

    def _named(self, entry: Entry, first: tuple[str, int] | None) -> str:
        """The first acceptance, where this one is within its window."""
        if first is None or abs(entry.received_at - first[1]) > self._window_ms:
            return entry.acceptance_id
        return first[0]


def _take_attachments(connection: Connection[Any], entries: Sequence[Entry]) -> None:
    sizes = {name: size for entry in entries for name, size in entry.attachments.items()}
    if sizes:
        blob_references.touch(connection, sizes)
        held = {queue_holder(e.acceptance_id): list(e.attachments) for e in entries if e.attachments}
        blob_references.hold_many(connection, held)
