"""What the events about drafts and submissions do."""

import msgspec
from msgspec import UNSET

from domain.events import (
    DraftDiscarded,
    DraftSaved,
    RecipientReported,
    SubmissionQueued,
    SubmissionRejected,
    SubmissionUndone,
)
from domain.mailbox_state.fold_documents import write_document
from domain.mailbox_state.mailbox import Draft, Mailbox, Recipient, Submission, When
from domain.sending_record import SPAM, spam_times
from domain.times import unix_ms

WORST_FIRST = ("queued", "deferred", "bounced", "rejected", "relayed", "delivered", "undone")
"""A submission's status is the first of these that any of its recipients has."""


def draft_saved(mailbox: Mailbox, event: DraftSaved, when: When) -> None:
    """A new draft, the next revision of one, or one that came back from being sent."""
    draft = mailbox.drafts.get(event.draft_id)
    if draft is None:
        draft = Draft(event.draft_id, event.message_id, event.revision, when.seq, when.seq)
        mailbox.drafts[event.draft_id] = draft
    draft.message_id = event.message_id
    draft.revision = event.revision
    draft.changed_seq = when.seq
    draft.destroyed_seq = None
    mailbox.pointing_at[event.message_id].append(draft)


def draft_discarded(mailbox: Mailbox, event: DraftDiscarded, when: When) -> None:
    """Thrown away or sent."""
    draft = mailbox.drafts[event.draft_id]
    draft.destroyed_seq = draft.changed_seq = when.seq


def queued(mailbox: Mailbox, event: SubmissionQueued, when: When) -> None:
    """Every recipient waits; redacted, only their number is known."""
    if event.personal is UNSET:
        recipients = [Recipient(None) for _ in range(event.recipient_count)]
    else:
        recipients = [Recipient(recipient.address) for recipient in event.personal.recipients]
    submission = Submission(
        id=event.submission_id,
        message_id=event.message_id,
        draft_id=event.draft_id,
        recipients=recipients,
        queued_at=unix_ms(event.queued_at),
        send_at=unix_ms(event.send_at),
        undo_until=unix_ms(event.undo_until),
        stream=event.stream,
        created_seq=when.seq,
        changed_seq=when.seq,
    )
    if event.reply_key:
        answered = msgspec.json.encode({"at": submission.queued_at})
        write_document(mailbox, ("replied", event.reply_key), body=answered, when=when)
    mailbox.submissions[event.submission_id] = submission
    mailbox.pointing_at[event.message_id].append(submission)


def reported(mailbox: Mailbox, event: RecipientReported, when: When) -> None:
    """What became of one recipient."""
    submission = mailbox.submissions[event.submission_id]
    recipient = submission.recipients[event.recipient]
    recipient.status = event.status
    recipient.attempts = event.attempts
    recipient.last_reply = "" if event.personal is UNSET else event.personal.last_reply
    recipient.next_attempt_at = event.next_attempt_at
    recipient.feedback = event.feedback or recipient.feedback
    _settle(submission, when)


def undone(mailbox: Mailbox, event: SubmissionUndone, when: When) -> None:
    """Called back in time."""
    submission = mailbox.submissions[event.submission_id]
    for recipient in submission.recipients:
        recipient.status = "undone"
    _settle(submission, when)


def rejected(mailbox: Mailbox, event: SubmissionRejected, when: When) -> None:
    """Refused as a whole, before anything left."""
    submission = mailbox.submissions[event.submission_id]
    for recipient in submission.recipients:
        recipient.status = "rejected"
        recipient.last_reply = event.reason
    _settle(submission, when)
    if event.check == SPAM:
        seen = mailbox.documents.get(("sending", SPAM))
        before = [] if seen is None or seen.destroyed_seq is not None else msgspec.json.decode(seen.body)["at"]
        body = msgspec.json.encode({"at": spam_times(before, now_ms=when.recorded_at)})
        write_document(mailbox, ("sending", SPAM), body=body, when=when)


def _settle(submission: Submission, when: When) -> None:
    statuses = {recipient.status for recipient in submission.recipients}
    submission.status = next((status for status in WORST_FIRST if status in statuses), submission.status)
    submission.changed_seq = when.seq
