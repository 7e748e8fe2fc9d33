"""The archive of what left for other hosts: a row a transaction, sealed under its sender's key."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from psycopg import Connection

from domain.ids import MailboxId, SubmissionId
from domain.times import DAY_MS
from gateways.outgoing import DueMail
from gateways.relay.sent_copy import SentCopy
from infra.keys import KeyBrokenError, KeyMissingError, Keys
from infra.postgres_queue import Connect
from infra.sealing import open_sealed, seal

AT_ONCE = 5_000
_ADD = (
    "INSERT INTO sent_trips (mailbox_id, submission_id, at, places, sealed)"
    " SELECT m, s, %s, p::integer[], c FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) AS n(m, s, p, c)"
)
_OF = (
    "SELECT at, places, sealed FROM sent_trips WHERE mailbox_id = %s AND submission_id = %s ORDER BY number LIMIT 1000"
)
_OLD = "DELETE FROM sent_trips WHERE ctid = ANY (ARRAY(SELECT ctid FROM sent_trips WHERE at < %s LIMIT %s))"


class SentTrip(msgspec.Struct, frozen=True):
    """One transaction: when (unix milliseconds), to which recipients by their places, and what was sent."""

    at: int
    places: tuple[int, ...]
    copy: SentCopy


class SentTrips:
    """The table. Only what an account submitted is kept."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def add(
        self, connection: Connection[Any], copies: Mapping[DueMail, tuple[Collection[int], SentCopy]], *, at: int
    ) -> None:
        """These are about to be sent; with the commit of the caller. Of a mailbox that is gone nothing is kept."""
        rows = [
            (due.mailbox_id, due.submission_id, _array(places), sealed)
            for due, (places, copy) in copies.items()
            if due.mailbox_id and (sealed := self._sealed(due, copy)) is not None
        ]
        if rows:
            connection.execute(_ADD, (at, *map(list, zip(*rows, strict=True))))

    def of(self, connection: Connection[Any], mailbox_id: MailboxId, submission_id: SubmissionId) -> list[SentTrip]:
        """The transactions of a submission, the first first; none where the mailbox was erased."""
        key = self._keys.get(mailbox_id)
        if key is None:
            return []
        rows = connection.execute(_OF, (mailbox_id, submission_id)).fetchall()
        aad = _aad(mailbox_id, submission_id)
        return [
            SentTrip(at, tuple(places), msgspec.msgpack.decode(open_sealed(key.secret, sealed, aad), type=SentCopy))
            for at, places, sealed in rows
        ]

    def _sealed(self, due: DueMail, copy: SentCopy) -> bytes | None:
        """None where the mailbox's key is gone, or cannot be used: the others of the commit do not wait for it."""
        try:
            key = self._keys.get(due.mailbox_id)
        except (KeyMissingError, KeyBrokenError):
            return None
        if key is None:
            return None
        return seal(key.secret, msgspec.msgpack.encode(copy), _aad(due.mailbox_id, due.submission_id))


def expire_sent_trips(now_ms: int, *, connect: Connect, days: int) -> int:
    """What was sent longer ago is no longer told; how many transactions that were."""
    with connect() as connection, connection.transaction():
        return connection.execute(_OLD, (now_ms - days * DAY_MS, AT_ONCE)).rowcount


def _aad(mailbox_id: MailboxId, submission_id: SubmissionId) -> bytes:
    return f"sent trip\0{mailbox_id}\0{submission_id}".encode()


def _array(places: Collection[int]) -> str:
    return "{" + ",".join(map(str, places)) + "}"
