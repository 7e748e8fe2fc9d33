"""What events of drafts and submissions do."""

import msgspec

from domain import events as e
from domain.automatic_mail import REPLIED, STREAMS
from domain.ids import SubmissionId
from domain.rows import DraftRow, Needs, RecipientStatus, RowsMissingError, SubmissionRow
from domain.sending_record import SPAM, spam_times
from domain.times import unix_ms
from projections.in_step.step import Step

_WORST_FIRST = ("queued", "deferred", "bounced", "rejected", "relayed", "delivered")


def draft_saved(step: Step, event: e.DraftSaved) -> None:
    """The draft points to its newest revision."""
    before = step.rows.drafts.get(event.draft_id)
    created = before.created_seq if before else step.seq
    step.rows.drafts[event.draft_id] = DraftRow(event.draft_id, event.message_id, event.revision, created, step.seq)
    step.touched.drafts[event.draft_id] = None


def draft_discarded(step: Step, event: e.DraftDiscarded) -> None:
    """The draft is gone."""
    row = step.rows.draft(event.draft_id)
    if row is not None:
        row.destroyed_seq = row.changed_seq = step.seq
        step.touched.drafts[event.draft_id] = None


def submission_queued(step: Step, event: e.SubmissionQueued) -> None:
    """A submission waits, all its recipients queued; for an automatic reply it is noted when it was given."""
    addresses: list[str | None] = [None] * event.recipient_count
    if isinstance(event.personal, e.SubmissionPersonal):
        addresses = [recipient.address for recipient in event.personal.recipients]
    step.rows.submissions[event.submission_id] = SubmissionRow(
        submission_id=event.submission_id,
        message_id=event.message_id,
        draft_id=event.draft_id,
        status="queued",
        recipients=[RecipientStatus(address, "queued") for address in addresses],
        queued_at=unix_ms(event.queued_at),
        send_at=unix_ms(event.send_at),
        undo_until=unix_ms(event.undo_until),
        stream=event.stream,
        created_seq=step.seq,
        changed_seq=step.seq,
        waiting=True,
    )
    if event.stream in STREAMS:
        step.rows.automatic.append(unix_ms(event.queued_at))
    else:
        step.rows.sent.append((unix_ms(event.queued_at), event.recipient_count))
    step.rows.count_feedback(step.rows.submissions[event.submission_id])
    if event.reply_key:
        step.document(REPLIED, event.reply_key, {"at": unix_ms(event.queued_at)})
    step.touched.submissions[event.submission_id] = None


def _submission(step: Step, submission_id: SubmissionId) -> SubmissionRow:
    row = step.rows.submission(submission_id)
    if row is None:
        raise RowsMissingError(Needs(submissions=(submission_id,)))
    row.changed_seq = step.seq
    step.touched.submissions[submission_id] = None
    return row


def submission_undone(step: Step, event: e.SubmissionUndone) -> None:
    """It will not be sent."""
    row = _submission(step, event.submission_id)
    row.status, row.waiting = "undone", False
    for recipient in row.recipients:
        recipient.status = "undone"


def submission_rejected(step: Step, event: e.SubmissionRejected) -> None:
    """It was refused, for all recipients."""
    row = _submission(step, event.submission_id)
    row.status = "rejected"
    for recipient in row.recipients:
        recipient.status, recipient.last_reply = "rejected", event.reason
    if event.check == SPAM:
        seen = step.rows.document("sending", SPAM)
        before = [] if seen is None else msgspec.json.decode(seen.body)["at"]
        step.document("sending", SPAM, {"at": spam_times(before, now_ms=step.at)})


def recipient_reported(step: Step, event: e.RecipientReported) -> None:
    """What became of one recipient; the submission is as far as the least of them."""
    row = _submission(step, event.submission_id)
    recipient = row.recipients[event.recipient]
    recipient.status, recipient.attempts = event.status, event.attempts
    recipient.next_attempt_at = event.next_attempt_at
    recipient.feedback = event.feedback or recipient.feedback
    recipient.last_reply = event.personal.last_reply if isinstance(event.personal, e.RecipientPersonal) else ""
    open_ones = {status.status for status in row.recipients}
    row.status = next((status for status in _WORST_FIRST if status in open_ones), row.status)
    step.rows.count_feedback(row)
