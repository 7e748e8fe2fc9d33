"""What joining threads does: their messages move under new ids, and all that points to them follows."""

import msgspec

from domain import events as e
from domain.ids import MessageId
from projections.in_step.messages import destroy
from projections.in_step.step import Step


def threads_joined(step: Step, event: e.ThreadsJoined) -> None:
    """The messages of one thread move into another, under new ids and UIDs."""
    next_uids = dict(event.uids)
    for old_id, fresh_id in zip(event.message_ids, event.new_ids, strict=True):
        old = step.message(old_id)
        row = msgspec.structs.replace(
            old, message_id=fresh_id, thread_id=event.into, created_seq=step.seq, changed_seq=step.seq
        )
        left = destroy(step, old)
        step.rows.messages[fresh_id] = row
        step.changed(row)
        held = {label_id: next_uids[label_id] for label_id in row.labels}
        for label_id, uid in held.items():
            next_uids[label_id] = uid + 1
            step.enter(row, label_id, uid, moved=left[label_id])
        step.set_labels(row, held)
        step.recount(None, step.footing(row))
        _repoint(step, old_id, fresh_id)
    step.touched.threads_led.append((event.from_, event.into))
    for ref, reference in step.rows.references.items():
        if reference.thread_id == event.from_:
            reference.thread_id = event.into
            step.touched.references[ref] = None


def _repoint(step: Step, old_id: MessageId, fresh_id: MessageId) -> None:
    for draft in step.rows.drafts.values():
        if draft.message_id == old_id:
            draft.message_id, draft.changed_seq = fresh_id, step.seq
            step.touched.drafts[draft.draft_id] = None
    for submission in step.rows.submissions.values():
        if submission.message_id == old_id:
            submission.message_id, submission.changed_seq = fresh_id, step.seq
            step.touched.submissions[submission.submission_id] = None
