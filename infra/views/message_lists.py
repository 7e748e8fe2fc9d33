"""Lists of messages and conversations, by keyset: each page is one index range (`tests/infra/test_query_plans.py`)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from domain.ids import LabelId, MailboxId, MessageId, ThreadId
from domain.rows import ALL_MAIL, MessageRow
from domain.times import rfc3339
from infra.store.row_tables import MESSAGES
from infra.views.database import Database, of_mailbox
from projections.page import Page, Place, decode_cursor, encode_cursor
from projections.summaries import summary_json

_LAST = 2**62
_MESSAGES = f"SELECT {MESSAGES.columns} FROM messages x WHERE {of_mailbox('x')} AND x.destroyed_seq IS NULL"
_UNREAD = "NOT (x.keywords && ARRAY['$seen', '$draft'])"
_STARRED = "'$flagged' = ANY (x.keywords)"
_IN_LABEL = (
    (
        "SELECT {columns} FROM (SELECT p.* FROM memberships p"
        " WHERE {mailbox} AND p.label_id = %s AND p.removed_seq IS NULL{filters}"
        " AND (p.listed_at, p.message_id) < (%s, %s) ORDER BY p.listed_at DESC, p.message_id DESC LIMIT %s) k"
        " JOIN messages x"
        " ON x.mailbox_id = k.mailbox_id AND x.generation = k.generation AND x.message_id = k.message_id"
        " ORDER BY k.listed_at DESC, k.message_id DESC"
    )
    .replace("{columns}", MESSAGES.columns)
    .replace("{mailbox}", of_mailbox("p"))
)
_THREADS = (
    (
        "SELECT t.thread_id, t.latest_at, t.total, t.unread, {columns} FROM (SELECT p.* FROM threads p"
        " WHERE {mailbox} AND p.label_id = %s AND p.total > 0 AND (p.latest_at, p.thread_id) < (%s, %s)"
        " ORDER BY p.latest_at DESC, p.thread_id DESC LIMIT %s) t"
        " JOIN LATERAL (SELECT x.* FROM messages x WHERE x.mailbox_id = t.mailbox_id AND x.generation = t.generation"
        " AND x.thread_id = t.thread_id AND x.destroyed_seq IS NULL"
        " AND (t.label_id = '' OR t.label_id = ANY (x.labels))"
        " ORDER BY x.listed_at DESC, x.message_id DESC LIMIT 1) x ON true"
        " ORDER BY t.latest_at DESC, t.thread_id DESC"
    )
    .replace("{columns}", MESSAGES.columns)
    .replace("{mailbox}", of_mailbox("p"))
)


def _flag(condition: str, wanted: bool | None) -> str:
    if wanted is None:
        return ""
    return f" AND {condition}" if wanted else f" AND NOT ({condition})"


class MessageLists:
    """`projections.mailbox_views.MessageLists` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def messages(
        self,
        mailbox_id: MailboxId,
        *,
        label: LabelId | None = None,
        unread: bool | None = None,
        starred: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Summaries by (listed_at, id), newest first."""
        name = f"messages:{label or ''}:{unread}:{starred}"
        after = decode_cursor(cursor, list_name=name) if cursor else Place(_LAST, "", name)
        if label is not None:
            filters = _flag("p.unread", unread) + _flag("p.starred", starred)
            statement = _IN_LABEL.replace("{filters}", filters)
            parameters: Sequence[Any] = (mailbox_id, mailbox_id, label, after.at, after.key, limit + 1)
        else:
            filters = _flag(_UNREAD, unread) + _flag(_STARRED, starred)
            statement = (
                f"{_MESSAGES}{filters} AND (x.listed_at, x.message_id) < (%s, %s)"
                " ORDER BY x.listed_at DESC, x.message_id DESC LIMIT %s"
            )
            parameters = (mailbox_id, mailbox_id, after.at, after.key, limit + 1)
        rows = [MESSAGES.row(values) for values in self._database.all(statement, parameters)]
        return _page(rows, limit, name)

    def threads(
        self, mailbox_id: MailboxId, *, label: LabelId | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Conversations by (latest_at, id), newest first."""
        inside = ALL_MAIL if label is None else label
        name = f"threads:{inside}"
        after = decode_cursor(cursor, list_name=name) if cursor else Place(_LAST, "", name)
        found = self._database.all(_THREADS, (mailbox_id, mailbox_id, inside, after.at, after.key, limit + 1))
        shown = [_thread_json(values) for values in found[:limit]]
        more = len(found) > limit
        last = encode_cursor(Place(found[limit - 1][1], found[limit - 1][0], name)) if more else None
        return Page(tuple(shown), last)

    def thread(self, mailbox_id: MailboxId, thread_id: ThreadId) -> tuple[bytes, ...]:
        """A conversation's summaries, oldest first."""
        statement = f"{_MESSAGES} AND x.thread_id = %s ORDER BY x.received_at, x.message_id"
        return tuple(
            summary_json(MESSAGES.row(values))
            for values in self._database.all(statement, (mailbox_id, mailbox_id, thread_id))
        )

    def summaries(self, mailbox_id: MailboxId, message_ids: list[MessageId]) -> dict[MessageId, bytes]:
        """Summaries of those of the messages that live."""
        found = self._database.all(f"{_MESSAGES} AND x.message_id = ANY (%s)", (mailbox_id, mailbox_id, message_ids))
        rows = (MESSAGES.row(values) for values in found)
        return {row.message_id: summary_json(row) for row in rows}

    def snapshot(self, mailbox_id: MailboxId, *, cursor: str | None, limit: int) -> tuple[Page, int]:
        """Pages of all mail by the seq that delivered each message, which nothing ever changes: none is missed.

        The cursor carries the head when the snapshot began and the place reached.
        """
        if cursor is None:
            found = self._database.one("SELECT head FROM mailboxes WHERE mailbox_id = %s", (mailbox_id,))
            head, after = (found[0] if found else 0), _LAST
        else:
            place = decode_cursor(cursor, list_name="snapshot")
            head, after = place.at, int(place.key) if place.key.isdecimal() else 0
        statement = f"{_MESSAGES} AND x.delivered_seq < %s ORDER BY x.delivered_seq DESC LIMIT %s"
        rows = [MESSAGES.row(v) for v in self._database.all(statement, (mailbox_id, mailbox_id, after, limit + 1))]
        more = len(rows) > limit
        last = encode_cursor(Place(head, str(rows[limit - 1].delivered_seq), "snapshot")) if more else None
        return Page(tuple(summary_json(row) for row in rows[:limit]), last), head


def _page(rows: list[MessageRow], limit: int, name: str) -> Page:
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = encode_cursor(Place(shown[-1].listed_at, shown[-1].message_id, name)) if more else None
    return Page(tuple(summary_json(row) for row in shown), cursor)


class _Shown(msgspec.Struct):
    subject: str = ""
    from_: list[msgspec.Raw] = msgspec.field(name="from", default_factory=list)


def _thread_json(values: Sequence[Any]) -> bytes:
    thread_id, latest_at, total, unread, *message = values
    row = MESSAGES.row(message)
    shown = msgspec.json.decode(row.summary, type=_Shown) if row.summary is not None else _Shown()
    return b'{"id":"%b","latest_at":"%b","total":%d,"unread":%d,"subject":%b,"message":%b}' % (
        thread_id.encode(),
        rfc3339(latest_at).encode(),
        total,
        unread,
        msgspec.json.encode(shown.subject),
        summary_json(row),
    )
