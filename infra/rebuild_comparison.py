"""What a rebuilt generation is held against before anybody reads it: the live one, under the mailbox row's lock.

Totals over indexes, not rows: the mailbox waits meanwhile. `verify_mailbox` compares every row.
"""

from typing import Any

from psycopg import Connection

from domain.rows import MailboxRow

_COMPARED = ("used_bytes", "quota_bytes", "quota_warned", "messages", "last_uid_validity", "erased")
_LABELS = (
    "SELECT label_id, total, unread, threads, threads_unread, size, next_uid FROM labels"
    " WHERE mailbox_id = %s AND generation = %s AND destroyed_seq IS NULL ORDER BY label_id"
)
_TOTALS = {
    "messages": "count(*), sum(size) FROM messages x WHERE destroyed_seq IS NULL",
    "memberships": "count(*), count(*) FILTER (WHERE unread) FROM memberships x WHERE removed_seq IS NULL",
    "threads": "count(*), sum(total), sum(unread) FROM threads x WHERE total > 0",
    "references": "count(*) FROM thread_references x WHERE true",
    "drafts": "count(*), sum(revision) FROM drafts x WHERE destroyed_seq IS NULL",
    "submissions": "count(*) FROM submissions x WHERE true",
    "documents": "count(*) FROM documents x WHERE destroyed_seq IS NULL",
}


def compare(connection: Connection[Any], live: MailboxRow, rebuilt: MailboxRow, *, generation: int) -> list[str]:
    """Where the live rows differ from those of `generation`: must be nowhere."""
    found = [
        f"mailbox.{name}: {getattr(live, name)} was stored, the log says {getattr(rebuilt, name)}"
        for name in _COMPARED
        if getattr(live, name) != getattr(rebuilt, name)
    ]
    before = connection.execute(_LABELS, (live.mailbox_id, live.generation)).fetchall()
    after = connection.execute(_LABELS, (live.mailbox_id, generation)).fetchall()
    found += [f"label {row[0]}: {row[1:]} was stored" for row in before if row not in after]
    found += [f"label {row[0]}: the log says {row[1:]}" for row in after if row not in before]
    for name in _TOTALS:
        stored, told = (_totals(connection, name, live, of) for of in (live.generation, generation))
        if stored != told:
            found.append(f"{name}: {stored} was stored, the log says {told}")
    return found


def _totals(connection: Connection[Any], name: str, live: MailboxRow, generation: int) -> tuple[int, ...]:
    query = f"SELECT {_TOTALS[name]} AND x.mailbox_id = %s AND x.generation = %s"
    row = connection.execute(query.encode(), (live.mailbox_id, generation)).fetchone()
    return tuple(int(value or 0) for value in row or ())
