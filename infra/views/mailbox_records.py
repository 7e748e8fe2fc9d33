"""Single rows, for opening a message, a draft or a submission."""

from domain.ids import DraftId, MailboxId, MessageId, SubmissionId
from domain.rows import DraftRow, MessageRow, SubmissionRow
from infra.store.row_tables import DRAFTS, MESSAGES, SUBMISSIONS
from infra.views.database import Database, of_mailbox
from projections.page import Place, decode_cursor, encode_cursor

_LIVE = of_mailbox("x")
_MESSAGE = f"SELECT {MESSAGES.columns} FROM messages x WHERE {_LIVE} AND x.message_id = %s"
_DRAFTS = f"SELECT {DRAFTS.columns} FROM drafts x WHERE {_LIVE} AND x.destroyed_seq IS NULL"
_SUBMISSIONS = f"SELECT {SUBMISSIONS.columns} FROM submissions x WHERE {_LIVE}"


class MailboxRecords:
    """`projections.mailbox_views.MailboxRecords` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def message(self, mailbox_id: MailboxId, message_id: MessageId) -> MessageRow | None:
        """The live row of a message."""
        found = self._database.one(_MESSAGE, (mailbox_id, mailbox_id, message_id))
        row: MessageRow | None = None if found is None else MESSAGES.row(found)
        return row if row is not None and row.destroyed_seq is None else None

    def drafts(self, mailbox_id: MailboxId) -> list[DraftRow]:
        """The live drafts, the last saved first."""
        found = self._database.all(f"{_DRAFTS} ORDER BY x.changed_seq DESC", (mailbox_id, mailbox_id))
        return [DRAFTS.row(values) for values in found]

    def draft(self, mailbox_id: MailboxId, draft_id: DraftId) -> DraftRow | None:
        """One live draft."""
        found = self._database.one(f"{_DRAFTS} AND x.draft_id = %s", (mailbox_id, mailbox_id, draft_id))
        return None if found is None else DRAFTS.row(found)

    def submission(self, mailbox_id: MailboxId, submission_id: SubmissionId) -> SubmissionRow | None:
        """One submission with its recipients."""
        found = self._database.one(f"{_SUBMISSIONS} AND x.submission_id = %s", (mailbox_id, mailbox_id, submission_id))
        return None if found is None else SUBMISSIONS.row(found)

    def submissions(
        self, mailbox_id: MailboxId, *, cursor: str | None, limit: int, message_id: MessageId | None = None
    ) -> tuple[list[SubmissionRow], str | None]:
        """Submissions, the last queued first; with `message_id`, those of that message."""
        after = decode_cursor(cursor, list_name="submissions") if cursor else Place(2**62, "", "submissions")
        of_message = "" if message_id is None else "AND x.message_id = %s"
        statement = (
            f"{_SUBMISSIONS} {of_message} AND (x.queued_at, x.submission_id) < (%s, %s)"
            " ORDER BY x.queued_at DESC, x.submission_id DESC LIMIT %s"
        )
        of = () if message_id is None else (message_id,)
        found = self._database.all(statement, (mailbox_id, mailbox_id, *of, after.at, after.key, limit + 1))
        rows = [SUBMISSIONS.row(values) for values in found]
        if len(rows) <= limit:
            return rows, None
        ended = rows[limit - 1]
        return rows[:limit], encode_cursor(Place(ended.queued_at, ended.submission_id, "submissions"))
