"""What became of recipients, kept until their submission has ended and is told of."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from domain.ids import MailboxId, SubmissionId
from gateways.relay.schedule import Ended, Outcome, Settled, SubmissionKey
from infra.postgres_queue import shown
from infra.relay.scheduled_rows import key_of

OUTCOME = (
    "INSERT INTO relay_outcomes (mailbox_id, submission_id, recipient, action, reply) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_ENDED = (
    "SELECT r.mailbox_id, r.submission_id FROM relay_schedule r"
    " JOIN unnest(%s::text[], %s::text[]) AS n(m, s) ON n.m = r.mailbox_id AND n.s = r.submission_id"
    " WHERE NOT EXISTS (SELECT FROM relay_awaited a WHERE a.mailbox_id = n.m AND a.submission_id = n.s)"
    " GROUP BY r.mailbox_id, r.submission_id HAVING bool_and(cardinality(r.recipients) = 0)"
)
_AWAITED_NO_MORE = (
    "DELETE FROM relay_awaited USING unnest(%s::text[], %s::text[]) AS n(m, s)"
    " WHERE mailbox_id = m AND submission_id = s AND until <= %s"
)
"""Before it is read what is told: whoever still adds to it holds the row's lock (`infra.relay.joint_notices`)."""
_TOLD = (
    "SELECT o.mailbox_id, o.submission_id, o.recipient, o.action, o.reply FROM relay_outcomes o"
    " JOIN unnest(%s::text[], %s::text[]) AS n(m, s) ON n.m = o.mailbox_id AND n.s = o.submission_id"
    " ORDER BY o.recipient"
)


def note_outcomes(connection: Connection[Any], settled: Sequence[Settled]) -> None:
    """In the caller's transaction; what was noted already stays as it is."""
    with connection.cursor() as cursor:
        cursor.executemany(OUTCOME, list(_told_of(settled)))


def ended_of(connection: Connection[Any], keys: Sequence[SubmissionKey], *, now_ms: int) -> list[Ended]:
    """Those of the submissions that have no open recipient left and are awaited nowhere, each with what is told of
    it."""
    connection.execute(_AWAITED_NO_MORE, (*_columns(keys), now_ms))
    found = connection.execute(_ENDED, _columns(keys)).fetchall()
    ended = [SubmissionKey(MailboxId(mailbox), SubmissionId(submission)) for mailbox, submission in found]
    if not ended:
        return []
    told: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for mailbox_id, submission_id, recipient, action, reply in connection.execute(_TOLD, _columns(ended)):
        status = Outcome(recipient, "bounced" if action == "failed" else "relayed", reply)
        told[mailbox_id, submission_id].append(status)
    return [Ended(key, tuple(told[key])) for key in ended]


def _columns(keys: Sequence[SubmissionKey]) -> tuple[list[str], list[str]]:
    return [key.mailbox_id for key in keys], [key.submission_id for key in keys]


def _told_of(settled: Iterable[Settled]) -> Iterable[tuple[str, str, int, str, str]]:
    for one in settled:
        for outcome in one.outcomes:
            if outcome.status == "bounced" or outcome.is_to_be_told:
                action = "failed" if outcome.status == "bounced" else "relayed"
                yield (*key_of(one.due), outcome.recipient, action, shown(outcome.reply))
