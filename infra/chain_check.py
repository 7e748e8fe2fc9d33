"""Checking what was written: every hash of a chain, its seqs, its head, and that each row opens under its key.

The log may grow meanwhile: what is checked is what stood when the check of a mailbox began.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from psycopg import Connection

from domain.chain import GENESIS, event_hash
from domain.ids import MailboxId
from infra.keys import KeyMissingError, Keys, MailboxKey
from infra.sealing import SealBrokenError
from infra.store.mapper import StoredRow, open_row
from infra.store.recorder import MailboxRecorder

Progress = Callable[[int, int], None]
"""Told (events checked, head)."""

_STANDING = """
    SELECT b.head, b.head_hash, coalesce(
        (SELECT max(e.originator_version) FROM stored_events e WHERE e.originator_id = b.mailbox_id), 0)
    FROM mailboxes b WHERE b.mailbox_id = %s
"""
_STREAMS = """
    WITH RECURSIVE streams AS (
        (SELECT originator_id FROM stored_events ORDER BY originator_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.originator_id FROM stored_events e WHERE e.originator_id > s.originator_id
                ORDER BY e.originator_id LIMIT 1) FROM streams s WHERE s.originator_id IS NOT NULL
    )
    SELECT originator_id FROM streams WHERE originator_id IS NOT NULL
    UNION SELECT mailbox_id FROM mailboxes ORDER BY 1
"""


class ChainBreak(msgspec.Struct, frozen=True):
    """Where a chain is broken first, and how."""

    mailbox_id: MailboxId
    seq: int
    reason: str


class CheckedChain(msgspec.Struct, frozen=True):
    """What a check found: events that hold, those of them that are redacted, and the first break."""

    mailbox_id: MailboxId
    events: int
    redacted: int
    broken: ChainBreak | None


class _BrokenError(Exception):
    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(reason)
        self.seq = seq


def mailboxes_with_chains(connection: Connection[Any]) -> list[MailboxId]:
    """Every mailbox, and every stream that has lost its mailbox row."""
    return [MailboxId(found) for (found,) in connection.execute(_STREAMS).fetchall()]


def check_chain(
    connection: Connection[Any],
    recorder: MailboxRecorder,
    keys: Keys,
    *,
    mailbox_id: MailboxId,
    progress: Progress = lambda _done, _head: None,
) -> CheckedChain:
    """Check one mailbox's chain up to its head. Redacted events are counted: their keys are gone on purpose."""
    standing = connection.execute(_STANDING, (mailbox_id,)).fetchone()
    if standing is None:
        reason = "the stream's mailbox row is gone"
        return CheckedChain(mailbox_id, 0, 0, ChainBreak(mailbox_id, 1, reason))
    head, head_hash, last = standing
    checking = _Checking(mailbox_id, keys, head)
    try:
        checking.rows(_reported(recorder.stream(mailbox_id, until=head), progress, head))
        checking.end(bytes(head_hash), last)
    except _BrokenError as broken:
        found = ChainBreak(mailbox_id, broken.seq, str(broken))
        return CheckedChain(mailbox_id, checking.seq, checking.redacted, found)
    return CheckedChain(mailbox_id, checking.seq, checking.redacted, None)


def _reported(rows: Iterable[StoredRow], progress: Progress, head: int) -> Iterator[StoredRow]:
    done = 0
    for done, row in enumerate(rows, start=1):
        yield row
        if done % 500 == 0:
            progress(done, head)
    progress(done, head)


class _Checking:
    """One pass along a chain; `seq` is the last event that holds."""

    def __init__(self, mailbox_id: MailboxId, keys: Keys, head: int) -> None:
        self._mailbox_id = mailbox_id
        self._keys = keys
        self._key: MailboxKey | None = None
        self._head = head
        self._before = GENESIS
        self.seq = 0
        self.redacted = 0

    def rows(self, rows: Iterable[StoredRow]) -> None:
        for row in rows:
            if row.seq != self.seq + 1:
                raise _BrokenError(self.seq + 1, "it is missing")
            self._hash(row)
            if row.seq == 1:
                self._find_key()
            self._seal(row)
            self.seq, self._before = row.seq, row.hash

    def _find_key(self) -> None:
        try:
            self._key = self._keys.get(self._mailbox_id)
        except KeyMissingError as error:
            raise _BrokenError(1, str(error)) from error

    def _hash(self, row: StoredRow) -> None:
        computed = event_hash(
            self._before,
            self._mailbox_id,
            row.seq,
            topic=row.topic,
            recorded_at=row.recorded_at,
            key_id=row.key_id,
            sealed=row.state,
        )
        if computed != row.hash:
            raise _BrokenError(row.seq, "its hash is not that of what is stored and of the hash before")

    def _seal(self, row: StoredRow) -> None:
        if self._key is None:
            self.redacted += 1
            return
        if row.key_id != self._key.key_id:
            raise _BrokenError(row.seq, f"it was sealed under key {row.key_id}, the mailbox's is {self._key.key_id}")
        try:
            self.redacted += open_row(self._key, row).personal_redacted
        except SealBrokenError as error:
            raise _BrokenError(row.seq, f"it does not open under its key: {error}") from error

    def end(self, head_hash: bytes, last: int) -> None:
        if self.seq < self._head:
            raise _BrokenError(self.seq + 1, f"it is missing: the mailbox row says that the head is {self._head}")
        if last > self._head:
            raise _BrokenError(self._head + 1, f"the event stands above the head, {self._head}")
        if head_hash != self._before:
            raise _BrokenError(self._head, "its hash is not the head hash of the mailbox row")
