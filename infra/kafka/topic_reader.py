"""Events out of the records of a step, and out of the log where those do not follow the cursor.

A record of the topic is believed no more than a stranger's: its rows are sealed with mailbox, seq and topic, and one
that does not open is read in the log.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.kafka.events import Published
from infra.postgres_queue import Connect
from infra.sealing import SealBrokenError
from infra.store.mapper import StoredRow
from infra.store.reading import StreamReader

_SALTS = (
    "SELECT s.mailbox_id, s.seq, s.salt FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, seq)"
    " JOIN message_salts s ON s.mailbox_id = n.mailbox_id AND s.seq = n.seq"
)


class TopicReader:
    """`infra.followers.Source` for one follower."""

    def __init__(self, connect: Connect, reader: StreamReader) -> None:
        self._connect = connect
        self._reader = reader
        self._rows: dict[MailboxId, dict[int, StoredRow]] = {}
        self._in_the_log: set[MailboxId] = set()

    def hold(self, published: Iterable[Published]) -> None:
        """From now on these records are what there is, with the salts that still stand.

        Raises: psycopg.Error
        """
        rows = {(one.mailbox_id, row.seq): row for one in published for row in one.rows}
        salts = self._salts(list(rows))
        self._rows = {}
        for (mailbox_id, seq), row in rows.items():
            self._rows.setdefault(mailbox_id, {})[seq] = StoredRow(
                mailbox_id,
                seq,
                row.topic,
                row.state,
                row.recorded_at,
                row.key_id,
                row.hash,
                salts.get((mailbox_id, seq)),
            )

    def trust_not(self, mailboxes: Iterable[MailboxId]) -> None:
        """These are read in the log, whatever the records bring."""
        self._in_the_log = set(mailboxes)

    def batch(self, mailbox_id: MailboxId, since: int, *, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after `since`: those of the records where they follow it, else those of the log."""
        rows = self._following(mailbox_id, since, limit)
        if rows:
            try:
                return [self._reader.recorded_row(row) for row in rows]
            except SealBrokenError:
                pass
        return self._reader.batch(mailbox_id, since, limit=limit)

    def _following(self, mailbox_id: MailboxId, since: int, limit: int) -> list[StoredRow]:
        held = self._rows.get(mailbox_id, {})
        if mailbox_id in self._in_the_log or not held or max(held) <= since:
            return []
        rows: list[StoredRow] = []
        while (row := held.get(since + len(rows) + 1)) is not None and len(rows) < limit:
            rows.append(row)
        return rows

    def _salts(self, places: Sequence[tuple[MailboxId, int]]) -> dict[Any, bytes]:
        if not places:
            return {}
        with self._connect() as connection:
            found = connection.execute(_SALTS, ([m for m, _ in places], [seq for _, seq in places]))
            return {(mailbox_id, seq): salt for mailbox_id, seq, salt in found}
