"""What events of messages do: deliveries, keywords, labels, marks, snoozes, deletions."""

from domain import events as e
from domain.ids import LabelId
from domain.rows import MembershipRow, MessageRow, ReferenceRow
from domain.times import unix_ms
from projections.in_step.step import Step, encoded


def message_delivered(step: Step, event: e.MessageDelivered) -> None:
    """A message, its memberships and its thread come into being; what it mentions leads to the thread."""
    server = event.server if isinstance(event.server, e.MessageServer) else e.MessageServer(blob="")
    row = MessageRow(
        message_id=event.id,
        origin=event.id,
        thread_id=event.thread_id,
        blob=server.blob,
        size=event.size,
        received_at=unix_ms(event.received_at),
        listed_at=unix_ms(event.listed_at),
        labels=sorted(event.labels),
        uids=[event.uids[label_id] for label_id in sorted(event.labels)],
        keywords=sorted(event.keywords),
        has_attachment=event.has_attachment,
        summary=encoded(event.personal) if isinstance(event.personal, e.MessagePersonal) else None,
        delivered_seq=step.seq,
        created_seq=step.seq,
        changed_seq=step.seq,
    )
    step.rows.messages[event.id] = row
    step.changed(row)
    for label_id, uid in zip(row.labels, row.uids, strict=True):
        step.enter(row, label_id, uid)
    step.recount(None, step.footing(row))
    step.rows.mailbox.messages += 1
    step.use(event.size)
    _lead(step, row, server)


def _lead(step: Step, row: MessageRow, server: e.MessageServer) -> None:
    for ref in server.refs:
        if step.rows.reference(ref) is None:
            _refer(step, ref, row)
    if server.subject_ref:
        _refer(step, server.subject_ref, row)


def _refer(step: Step, ref: str, row: MessageRow) -> None:
    step.rows.references[ref] = ReferenceRow(ref, row.thread_id, row.received_at)
    step.touched.references[ref] = None


def message_reparsed(step: Step, event: e.MessageReparsed) -> None:
    """A better summary of the same bytes."""
    row = step.message(event.message_id)
    row.summary = encoded(event.personal) if isinstance(event.personal, e.MessagePersonal) else None
    row.has_attachment = event.has_attachment
    step.changed(row)
    for label_id in row.labels:
        step.counted(step.label(label_id))


def keywords_changed(step: Step, event: e.KeywordsChanged) -> None:
    """Keywords added and removed."""
    for message_id in event.message_ids:
        row = step.message(message_id)
        before = step.footing(row)
        row.keywords = sorted((set(row.keywords) - set(event.removed)) | set(event.added))
        step.changed(row)
        step.refresh_memberships(row)
        step.recount(before, step.footing(row))


def labels_changed(step: Step, event: e.LabelsChanged) -> None:
    """Labels added, under the UIDs given, and removed."""
    for place, message_id in enumerate(event.message_ids):
        row = step.message(message_id)
        before = step.footing(row)
        held = dict(zip(row.labels, row.uids, strict=True))
        for label_id in event.removed:
            step.leave(label_id, held.pop(label_id))
        for label_id in event.added:
            held[label_id] = event.uids[label_id] + place
            step.enter(row, label_id, held[label_id])
        step.set_labels(row, held)
        step.changed(row)
        step.recount(before, step.footing(row))


def deletion_marked(step: Step, event: e.DeletionMarked | e.DeletionUnmarked) -> None:
    r"""IMAP's `\Deleted` on a membership, set or taken off."""
    for message_id in event.message_ids:
        row = step.message(message_id)
        uid = dict(zip(row.labels, row.uids, strict=True))[event.label_id]
        membership = step.rows.membership(event.label_id, uid)
        membership.deletion_mark = isinstance(event, e.DeletionMarked)
        membership.changed_seq = step.seq
        step.touched.memberships[event.label_id, uid] = None
    step.counted(step.label(event.label_id))


def messages_snoozed(step: Step, event: e.MessagesSnoozed) -> None:
    """They sleep until then."""
    for message_id in event.message_ids:
        row = step.message(message_id)
        row.snoozed_until = unix_ms(event.until)
        step.changed(row)


def snooze_ended(step: Step, event: e.SnoozeEnded) -> None:
    """They are awake, and listed anew where the event says so."""
    for message_id in event.message_ids:
        row = step.message(message_id)
        before = step.footing(row)
        row.snoozed_until = None
        step.changed(row)
        if event.listed_at is not None:
            row.listed_at = unix_ms(event.listed_at)
            step.refresh_memberships(row)
            step.recount(before, step.footing(row))


def messages_deleted(step: Step, event: e.MessagesDeleted) -> None:
    """They are destroyed, and their room is free."""
    for message_id in event.message_ids:
        row = step.message(message_id)
        destroy(step, row)
        step.rows.mailbox.messages -= 1
        step.use(-row.size)


def destroy(step: Step, row: MessageRow) -> dict[LabelId, MembershipRow]:
    """The row becomes a tombstone, out of all labels and counts; the memberships that it had, by label."""
    before = step.footing(row)
    left = {label_id: step.leave(label_id, uid) for label_id, uid in zip(row.labels, row.uids, strict=True)}
    row.destroyed_seq = step.seq
    row.labels, row.uids, row.keywords = [], [], []
    row.summary, row.snoozed_until = None, None
    step.changed(row)
    step.recount(before, None)
    return left
