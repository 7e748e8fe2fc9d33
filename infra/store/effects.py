"""What else an append writes in the same transaction: the outbox, references let go, what is to be forgotten, and
what an owner is to be told.

References taken go with the append itself (`infra.store.lane`).
"""

from collections.abc import Sequence

from domain.commands import Effect, ForgetLater, HoldBlobs, PutInOutbox, ReleaseBlobs, TakeFromOutbox, TellOwner
from domain.ids import MailboxId
from domain.times import DAY_MS
from infra import blob_references
from infra.store.array_literals import numbers, texts
from infra.store.wire import Asks

Placed = Sequence[tuple[MailboxId, Effect]]

_PUT = (
    "INSERT INTO outbox (mailbox_id, submission_id, due_at, blob, size_bytes)"
    " SELECT m, s, d, nullif(b, ''), nullif(z, 0)"
    " FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[]) AS n(m, s, d, b, z)"
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
_TELL = (
    "INSERT INTO notices (mailbox_id, kind, detail, used_bytes, limit_bytes, noted_at)"
    " SELECT * FROM unnest(%s::text[], %s::text[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT DO NOTHING"
)


def write_effects(asks: Asks, placed: Placed, *, now_ms: int, retention_days: int) -> None:
    """Queue the effects of a commit, kind by kind, in the order in which the decisions gave them."""
    placed = [(m, effect) for m, effect in placed if type(effect) is not HoldBlobs]  # most are, and isinstance is dear
    if not placed:
        return
    put = [(m, effect) for m, effect in placed if isinstance(effect, PutInOutbox)]
    if put:
        whose = (texts([m for m, _ in put]), texts([x.submission_id for _, x in put]))
        objects = (texts([x.blob for _, x in put]), numbers(x.size_bytes for _, x in put))
        asks.ask(_PUT, (*whose, numbers(x.due_at for _, x in put), *objects))
    taken = [(m, effect) for m, effect in placed if isinstance(effect, TakeFromOutbox)]
    if taken:
        asks.ask(_TAKE, (texts([m for m, _ in taken]), texts([x.submission_id for _, x in taken])))
    released = [effect.holder for _, effect in placed if isinstance(effect, ReleaseBlobs)]
    if released:
        asks.ask(blob_references.RELEASE, (texts(released),))
    forgotten = [(m, origin) for m, effect in placed if isinstance(effect, ForgetLater) for origin in effect.origins]
    if forgotten:
        due = numbers([now_ms + retention_days * DAY_MS] * len(forgotten))
        asks.ask(_FORGET, (texts([m for m, _ in forgotten]), texts([o for _, o in forgotten]), due))
    told = [(m, effect) for m, effect in placed if isinstance(effect, TellOwner)]
    if told:
        _tell(asks, told, now_ms=now_ms)


def _tell(asks: Asks, told: Sequence[tuple[MailboxId, TellOwner]], *, now_ms: int) -> None:
    notices = [notice for _, notice in told]
    columns = (
        texts([mailbox_id for mailbox_id, _ in told]),
        texts([notice.kind for notice in notices]),
        numbers(notice.level for notice in notices),
        numbers(notice.used_bytes for notice in notices),
        numbers(notice.limit_bytes for notice in notices),
        numbers([now_ms] * len(notices)),
    )
    asks.ask(_TELL, columns)
