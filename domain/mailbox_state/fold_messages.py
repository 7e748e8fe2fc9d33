"""What the events about messages do: delivery, keywords, labels, deletion marks, snoozes, the end of a message."""

from msgspec import UNSET

from domain.events import (
    DeletionMarked,
    DeletionUnmarked,
    KeywordsChanged,
    LabelsChanged,
    MessageDelivered,
    MessageReparsed,
    MessagesDeleted,
    MessageServer,
    MessagesSnoozed,
    SnoozeEnded,
)
from domain.mailbox_state.fold_quota import use_bytes
from domain.mailbox_state.mailbox import Mailbox, Message, Reference, When
from domain.mailbox_state.places import destroy, named, put_into, show, take_out, touch_thread
from domain.rows import ALL_MAIL
from domain.times import unix_ms


def delivered(mailbox: Mailbox, event: MessageDelivered, when: When) -> None:
    """A new message in its labels; what it bears and mentions leads to its thread."""
    message = Message(
        id=event.id,
        origin=event.id,
        thread_id=event.thread_id,
        blob="" if event.server is UNSET else event.server.blob,
        size=event.size,
        received_at=unix_ms(event.received_at),
        listed_at=unix_ms(event.listed_at),
        keywords=set(event.keywords),
        has_attachment=event.has_attachment,
        personal=None if event.personal is UNSET else event.personal,
        delivered_seq=when.seq,
        created_seq=when.seq,
        changed_seq=when.seq,
    )
    mailbox.messages[message.id] = message
    put_into(mailbox, [message], labels=event.labels, uids=event.uids, when=when)
    touch_thread(mailbox, message.thread_id, label_id=ALL_MAIL, seq=when.seq)
    if event.server is not UNSET:
        _refer(mailbox, message, event.server)
    use_bytes(mailbox, message.size)


def _refer(mailbox: Mailbox, message: Message, server: MessageServer) -> None:
    for ref in server.refs:
        if ref not in mailbox.references:
            _lead(mailbox, ref, message)
    if server.subject_ref:
        _lead(mailbox, server.subject_ref, message)


def _lead(mailbox: Mailbox, ref: str, message: Message) -> None:
    mailbox.references[ref] = Reference(message.thread_id, message.received_at)
    mailbox.references_to[message.thread_id].add(ref)


def reparsed(mailbox: Mailbox, event: MessageReparsed, when: When) -> None:
    """A better summary; the labels that show it note the change."""
    (message,) = named(mailbox, [event.message_id], seq=when.seq)
    message.personal = None if event.personal is UNSET else event.personal
    message.has_attachment = event.has_attachment
    for label_id in message.places:
        mailbox.labels[label_id].counts_seq = when.seq


def keywords_changed(mailbox: Mailbox, event: KeywordsChanged, when: When) -> None:
    """Keywords belong to the message and show in every label."""
    for message in named(mailbox, event.message_ids, seq=when.seq):
        message.keywords = message.keywords.difference(event.removed).union(event.added)
        show(mailbox, message, seq=when.seq)


def labels_changed(mailbox: Mailbox, event: LabelsChanged, when: When) -> None:
    """Out of what was removed, into what was added."""
    messages = named(mailbox, event.message_ids, seq=when.seq)
    for message in messages:
        for label_id in event.removed:
            take_out(mailbox, message, label_id=label_id, seq=when.seq)
    put_into(mailbox, messages, labels=event.added, uids=event.uids, when=when)


def deletion_marked(mailbox: Mailbox, event: DeletionMarked, when: When) -> None:
    r"""\Deleted belongs to the membership: the message itself does not change."""
    _mark(mailbox, event, when, marked=True)


def deletion_unmarked(mailbox: Mailbox, event: DeletionUnmarked, when: When) -> None:
    r"""\Deleted taken off again."""
    _mark(mailbox, event, when, marked=False)


def _mark(mailbox: Mailbox, event: DeletionMarked | DeletionUnmarked, when: When, *, marked: bool) -> None:
    for message_id in event.message_ids:
        membership = mailbox.messages[message_id].places[event.label_id]
        membership.deletion_mark = marked
        membership.changed_seq = when.seq
    mailbox.labels[event.label_id].counts_seq = when.seq


def snoozed(mailbox: Mailbox, event: MessagesSnoozed, when: When) -> None:
    """Away until then; leaving INBOX is an event of its own."""
    for message in named(mailbox, event.message_ids, seq=when.seq):
        message.snoozed_until = unix_ms(event.until)


def snooze_ended(mailbox: Mailbox, event: SnoozeEnded, when: When) -> None:
    """Listed anew from then on; a cancelled snooze changes no listing."""
    for message in named(mailbox, event.message_ids, seq=when.seq):
        message.snoozed_until = None
        if event.listed_at is not None:
            message.listed_at = unix_ms(event.listed_at)
            show(mailbox, message, seq=when.seq)


def deleted(mailbox: Mailbox, event: MessagesDeleted, when: When) -> None:
    """Gone for good; the room is free again, the references stay."""
    for message in named(mailbox, event.message_ids, seq=when.seq):
        destroy(mailbox, message, seq=when.seq)
        use_bytes(mailbox, -message.size)
