"""What the events about labels and about the mailbox as a whole do."""

import msgspec

from domain.events import (
    SYSTEM_LABELS,
    LabelChanged,
    LabelCreated,
    LabelDeleted,
    MailboxErased,
    MailboxOpened,
    MailboxRestored,
)
from domain.ids import LabelId
from domain.mailbox_state.fold_documents import write_document
from domain.mailbox_state.mailbox import SYSTEM_ROLES, Label, Mailbox, When


def opened(mailbox: Mailbox, event: MailboxOpened, when: When) -> None:
    """The system labels, the quota and the first profile."""
    mailbox.address = event.address
    mailbox.quota_bytes = event.quota_bytes
    for order, name in enumerate(SYSTEM_LABELS):
        label_id = LabelId(name)
        _add(
            mailbox,
            LabelCreated(
                label_id=label_id,
                name=name,
                parent_id=None,
                role=SYSTEM_ROLES[label_id],
                uid_validity=event.uid_validity[label_id],
                sort_order=order,
                subscribed=True,
            ),
            when,
        )
    profile = {"display_name": event.display_name, "signature": "", "time_zone": "UTC"}
    write_document(mailbox, ("profile", ""), body=msgspec.json.encode(profile), when=when)


def created(mailbox: Mailbox, event: LabelCreated, when: When) -> None:
    """An empty label."""
    _add(mailbox, event, when)


def _add(mailbox: Mailbox, event: LabelCreated, when: When) -> None:
    mailbox.labels[event.label_id] = Label(
        id=event.label_id,
        name=event.name,
        parent_id=event.parent_id,
        role=event.role,
        uid_validity=event.uid_validity,
        sort_order=event.sort_order,
        subscribed=event.subscribed,
        created_seq=when.seq,
        changed_seq=when.seq,
        counts_seq=when.seq,
    )
    mailbox.last_uid_validity = max(mailbox.last_uid_validity, event.uid_validity)


def changed(mailbox: Mailbox, event: LabelChanged, when: When) -> None:
    """Another name, parent, order or subscription."""
    label = mailbox.labels[event.label_id]
    label.name = event.name
    label.parent_id = event.parent_id
    label.sort_order = event.sort_order
    label.subscribed = event.subscribed
    label.changed_seq = when.seq


def deleted(mailbox: Mailbox, event: LabelDeleted, when: When) -> None:
    """A tombstone."""
    label = mailbox.labels[event.label_id]
    label.destroyed_seq = label.changed_seq = when.seq


def restored(mailbox: Mailbox, event: MailboxRestored, when: When) -> None:
    """New UIDVALIDITY, the same UIDs."""
    for label_id, uid_validity in event.uid_validity.items():
        label = mailbox.labels[label_id]
        label.uid_validity = uid_validity
        label.changed_seq = when.seq
        mailbox.last_uid_validity = max(mailbox.last_uid_validity, uid_validity)


def erased(mailbox: Mailbox, event: MailboxErased, when: When) -> None:
    """The end of the stream."""
    mailbox.erased = True
