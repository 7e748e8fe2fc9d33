"""What else an append writes in the same transaction: the outbox, references let go, what is to be forgotten.

References taken go with the append itself (`infra.store.lane`).
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from domain.commands import Effect, ForgetLater, PutInOutbox, ReleaseBlobs, TakeFromOutbox
from domain.ids import MailboxId
from domain.times import DAY_MS
from infra import blob_references

Placed = Sequence[tuple[MailboxId, Effect]]

_PUT = (
    "INSERT INTO outbox (mailbox_id, submission_id, due_at) SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])"
    " ON CONFLICT DO NOTHING"
)
_TAKE = (
    "DELETE FROM outbox o USING unnest(%s::text[], %s::text[]) AS n(mailbox_id, submission_id)"
    " WHERE o.mailbox_id = n.mailbox_id AND o.submission_id = n.submission_id"
)
_FORGET = (
    "INSERT INTO forgetting (mailbox_id, message_id, due_at)"
    " SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING"
)


def write_effects(cursor: Cursor[Any], placed: Placed, *, now_ms: int, retention_days: int) -> None:
    """Queue the effects of a commit, kind by kind, in the order in which the decisions gave them."""
    put = [(m, effect) for m, effect in placed if isinstance(effect, PutInOutbox)]
    if put:
        cursor.execute(_PUT, ([m for m, _ in put], [x.submission_id for _, x in put], [x.due_at for _, x in put]))
    taken = [(m, effect) for m, effect in placed if isinstance(effect, TakeFromOutbox)]
    if taken:
        cursor.execute(_TAKE, ([m for m, _ in taken], [x.submission_id for _, x in taken]))
    released = [effect.holder for _, effect in placed if isinstance(effect, ReleaseBlobs)]
    if released:
        blob_references.release_many(cursor, released)
    forgotten = [(m, origin) for m, effect in placed if isinstance(effect, ForgetLater) for origin in effect.origins]
    if forgotten:
        due = now_ms + retention_days * DAY_MS
        cursor.execute(_FORGET, ([m for m, _ in forgotten], [o for _, o in forgotten], [due] * len(forgotten)))
