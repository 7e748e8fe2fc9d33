"""What appends left for the owners of mailboxes to be told (`domain.commands.TellOwner`) becomes mail in the queue.

A notice's row goes only after its mail is durable in the queue. Of a crash in between nothing is lost or doubled: the
mail is queued again under the same id. Nobody else takes a row that is in hand, and no append waits for one: rows are
locked, not changed, until all that takes its time is done.
"""

from typing import Any

import psycopg
from psycopg import Connection

from gateways.delivery.quota_notice import QuotaNotice, QuotaNotices
from gateways.queue import QueueUnavailableError
from infra.passed_over import PassedOverError
from infra.postgres_queue import Connect

AT_ONCE = 100
PAGES_AT_ONCE = 200
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, QueueUnavailableError)

_WAITING = (
    "SELECT n.mailbox_id, n.detail, n.used_bytes, n.limit_bytes, n.noted_at, a.address, a.state"
    " FROM notices n LEFT JOIN accounts a ON a.mailbox_id = n.mailbox_id"
    " WHERE n.kind = 'quota' AND n.mailbox_id <> ALL(%s::text[])"
    " ORDER BY n.mailbox_id, n.detail LIMIT %s FOR UPDATE OF n SKIP LOCKED"
)
_TOLD = (
    "DELETE FROM notices n USING unnest(%s::text[], %s::integer[]) AS t(mailbox_id, detail)"
    " WHERE n.mailbox_id = t.mailbox_id AND n.kind = 'quota' AND n.detail = t.detail"
)
_NOBODY_THERE = (None, "suspended", "closed")
"""States of accounts, or no account, where nobody is told."""

Row = tuple[Any, ...]


def tell_owners(_now_ms: int, *, connect: Connect, notices: QuotaNotices, at_once: int = AT_ONCE) -> int:
    """Every owner who is to be told has the mail in the queue; of how many rows that took care.

    Raises: PassedOverError, when all the others are told; an outage of a server.
    """
    passed_over: dict[str, Exception] = {}
    total = 0
    for _page in range(PAGES_AT_ONCE):
        with connect() as connection, connection.transaction():
            found = _tell_page(connection, notices, passed_over, at_once=at_once)
        total += found
        if found < at_once:
            break
    if passed_over:
        raise PassedOverError(passed_over)
    return total


def _tell_page(
    connection: Connection[Any], notices: QuotaNotices, passed_over: dict[str, Exception], *, at_once: int
) -> int:
    """How many rows were found; why, where a mailbox's owner could not be told, goes into `passed_over`."""
    waiting = connection.execute(_WAITING, (list(passed_over), at_once)).fetchall()
    for row in waiting:
        try:
            _tell(notices, row)
        except _OUTAGES:
            raise
        except Exception as error:  # noqa: BLE001 - raised when the others are told
            passed_over[row[0]] = error
    told = [row for row in waiting if row[0] not in passed_over]
    if told:
        connection.execute(_TOLD, ([row[0] for row in told], [row[1] for row in told]))
    return len(waiting)


def _tell(notices: QuotaNotices, row: Row) -> None:
    mailbox_id, level, used_bytes, limit_bytes, noted_at, address, state = row
    if state in _NOBODY_THERE:
        return
    notices.tell(
        QuotaNotice(
            mailbox_id=mailbox_id,
            address=address,
            level=level,
            used_bytes=used_bytes,
            limit_bytes=limit_bytes,
            noted_at=noted_at,
        )
    )
