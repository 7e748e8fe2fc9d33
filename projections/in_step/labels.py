"""What events of the mailbox itself and of its labels do."""

from domain import events as e
from domain.ids import LabelId
from domain.rows import LabelRow
from projections.in_step.step import Step


def mailbox_opened(step: Step, event: e.MailboxOpened) -> None:
    """The system labels and the profile."""
    mailbox = step.rows.mailbox
    mailbox.quota_bytes = event.quota_bytes
    for order, label_id in enumerate(e.SYSTEM_LABELS):
        validity = event.uid_validity[LabelId(label_id)]
        step.rows.labels[LabelId(label_id)] = _new_label(
            step,
            LabelId(label_id),
            label_id,
            parent_id=None,
            role=e.SYSTEM_ROLES[label_id],
            validity=validity,
            order=order,
        )
    step.rows.asked.add(("document", ("profile", "")))
    step.document("profile", "", {"display_name": event.display_name, "signature": "", "time_zone": "UTC"})


def _new_label(
    step: Step,
    label_id: LabelId,
    name: str,
    *,
    parent_id: LabelId | None,
    role: str | None,
    validity: int,
    order: int,
    subscribed: bool = True,
) -> LabelRow:
    mailbox = step.rows.mailbox
    mailbox.last_uid_validity = max(mailbox.last_uid_validity, validity)
    step.touched.labels[label_id] = None
    seq = step.seq
    return LabelRow(label_id, name, parent_id, role, validity, 1, order, subscribed, 0, 0, 0, 0, 0, seq, seq, seq, None)


def label_created(step: Step, event: e.LabelCreated) -> None:
    """A label without messages."""
    step.rows.labels[event.label_id] = _new_label(
        step,
        event.label_id,
        event.name,
        parent_id=event.parent_id,
        role=event.role,
        validity=event.uid_validity,
        order=event.sort_order,
        subscribed=event.subscribed,
    )


def label_changed(step: Step, event: e.LabelChanged) -> None:
    """Its name, place or subscription."""
    row = step.label(event.label_id)
    row.name, row.parent_id = event.name, event.parent_id
    row.sort_order, row.subscribed, row.changed_seq = event.sort_order, event.subscribed, step.seq
    step.touched.labels[event.label_id] = None


def label_deleted(step: Step, event: e.LabelDeleted) -> None:
    """An emptied label becomes a tombstone."""
    row = step.label(event.label_id)
    row.destroyed_seq = row.changed_seq = step.seq
    step.touched.labels[event.label_id] = None


def mailbox_restored(step: Step, event: e.MailboxRestored) -> None:
    """Every label has a new UIDVALIDITY."""
    for label_id, validity in event.uid_validity.items():
        row = step.label(label_id)
        row.uid_validity, row.changed_seq = validity, step.seq
        step.rows.mailbox.last_uid_validity = max(step.rows.mailbox.last_uid_validity, validity)
        step.touched.labels[label_id] = None


def mailbox_erased(step: Step, _event: e.MailboxErased) -> None:
    """The end."""
    step.rows.mailbox.erased = True
