"""What was sent: where it stands with each recipient, and calling it back."""

from typing import Annotated, Any

import msgspec

from domain.decisions import UndoSubmission
from domain.ids import MessageId, SubmissionId
from domain.refusals import SubmissionUnknownError
from domain.rows import RecipientStatus, SubmissionRow
from domain.times import rfc3339
from gateways.http.operations import Answer, Call, Operation, PagedRead, Read, as_json


class SubmissionShown(msgspec.Struct, kw_only=True):
    """A submission with the status of each recipient; the address is null where it is redacted."""

    id: str
    message_id: str
    draft_id: str
    status: str
    queued_at: str
    send_at: str
    undo_until: str
    stream: str
    recipients: list[RecipientStatus]
    seq: int


class SubmissionsRead(PagedRead, frozen=True, kw_only=True):
    """A page of submissions; with `message_id`, of those of that message."""

    message_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class SubmissionList(msgspec.Struct):
    """A page of submissions, the last queued first."""

    submissions: list[SubmissionShown]
    cursor: str | None


class Undone(msgspec.Struct):
    """The draft is back; null where its message had been deleted for good."""

    seq: int
    draft_id: str | None


def list_submissions(call: Call[SubmissionsRead, None]) -> Answer:
    """A page."""
    asked = call.query
    rows, cursor = call.parts.records.submissions(
        call.mailbox_id,
        cursor=asked.cursor or None,
        limit=asked.limit,
        message_id=None if asked.message_id is None else MessageId(asked.message_id),
    )
    return as_json(SubmissionList([_shown(row) for row in rows], cursor))


def read_submission(call: Call[Read, None]) -> Answer:
    """One."""
    row = call.parts.records.submission(call.mailbox_id, SubmissionId(call.path["submission_id"]))
    if row is None:
        raise SubmissionUnknownError("no such submission")
    return as_json(_shown(row))


def undo(call: Call[None, Any]) -> Answer:
    """While it waits."""
    submission_id = SubmissionId(call.path["submission_id"])
    command = UndoSubmission(
        mailbox_id=call.mailbox_id, command_id=call.command_id, who=call.who, submission_id=submission_id
    )
    return call.written(command, "draft_id")


def _shown(row: SubmissionRow) -> SubmissionShown:
    return SubmissionShown(
        id=row.submission_id,
        message_id=row.message_id,
        draft_id=row.draft_id,
        status=row.status,
        queued_at=rfc3339(row.queued_at),
        send_at=rfc3339(row.send_at),
        undo_until=rfc3339(row.undo_until),
        stream=row.stream,
        recipients=row.recipients,
        seq=row.changed_seq,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/submissions",
        summary="What was sent, the last first",
        run=list_submissions,
        query=SubmissionsRead,
        answers={200: SubmissionList},
        errors=("cursor_invalid",),
        tag="writing",
    ),
    Operation(
        method="GET",
        path="/v1/submissions/{submission_id}",
        summary="Where a submission stands",
        run=read_submission,
        answers={200: SubmissionShown},
        errors=("submission_unknown",),
        unknown="submission_unknown",
        tag="writing",
    ),
    Operation(
        method="POST",
        path="/v1/submissions/{submission_id}/undo",
        summary="Call a submission back",
        run=undo,
        answers={200: Undone},
        errors=("submission_unknown", "already_sent"),
        unknown="submission_unknown",
        tag="writing",
    ),
)
