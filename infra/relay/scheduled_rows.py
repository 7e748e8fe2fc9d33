"""The rows of the relay's schedule: one a submission and destination, and how they are added."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from domain.ids import MailboxId, SubmissionId
from gateways.outgoing import DueMail
from gateways.relay.schedule import SubmissionKey

_DOMAINS = (
    "INSERT INTO relay_domains AS d (domain, due_at) SELECT n.domain, min(n.due_at)"
    " FROM unnest(%s::text[], %s::bigint[]) AS n(domain, due_at) GROUP BY n.domain ORDER BY n.domain"
    " ON CONFLICT (domain) DO UPDATE SET due_at = least(d.due_at, excluded.due_at)"
)
_ADD = (
    "INSERT INTO relay_schedule AS t (mailbox_id, submission_id, domain, recipients, attempt, due_at, queued_at,"
    " blob, size_bytes) SELECT m, s, d, r::integer[], a, %s, q, b, z"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::bigint[], %s::text[],"
    " %s::bigint[])"
    " WITH ORDINALITY AS n(m, s, d, r, a, q, b, z, place) ORDER BY place"
    " ON CONFLICT (mailbox_id, submission_id, domain) DO UPDATE SET recipients = ARRAY("
    "SELECT o FROM unnest(t.recipients) AS o UNION SELECT o FROM unnest(excluded.recipients) AS o ORDER BY 1)"
    " WHERE t.mailbox_id = ''"
)
"""Of what nobody submitted, recipients may come later than others; whoever hands them over knows that they are new."""


def record_holder(acceptance_id: str) -> str:
    """Who holds the object of a record until it is relayed."""
    return f"relay:{acceptance_id}"


class NewRow(NamedTuple):
    """What is to be relayed: since when it has waited (unix milliseconds), and what is sent, and how many bytes of it,
    where that is not the submission's message."""

    due: DueMail
    queued_at: int
    blob: str | None = None
    size_bytes: int | None = None


def add_rows(connection: Connection[Any], rows: Sequence[NewRow], *, due_at: int) -> None:
    """In the caller's transaction; what is there already stays as it is."""
    due = [row.due for row in rows]
    connection.execute(_DOMAINS, ([one.domain for one in due], [due_at] * len(due)))
    columns = (
        [one.mailbox_id for one in due],
        [one.submission_id for one in due],
        [one.domain for one in due],
        [array(one.recipients) for one in due],
        [one.attempt for one in due],
        [row.queued_at for row in rows],
        [row.blob for row in rows],
        [row.size_bytes for row in rows],
    )
    connection.execute(_ADD, (due_at, *columns))


def due_of(domain: str, mailbox_id: str, submission_id: str, recipients: list[int], attempt: int) -> DueMail:
    """The due mail of a row."""
    return DueMail(
        domain=domain,
        mailbox_id=MailboxId(mailbox_id),
        submission_id=SubmissionId(submission_id),
        recipients=tuple(recipients),
        attempt=attempt,
    )


def key_of(due: DueMail) -> SubmissionKey:
    """Of which submission it is a part."""
    return SubmissionKey(due.mailbox_id, due.submission_id)


def array(places: Iterable[int]) -> str:
    """Integers as Postgres reads an array of them; one of arrays of unlike lengths, a column of such, it has not."""
    return "{" + ",".join(map(str, places)) + "}"
