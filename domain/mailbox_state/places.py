"""How messages stand in labels: putting in, taking out, showing a change, with the seqs that each leaves behind."""

from collections.abc import Iterable, Mapping

from domain.ids import LabelId, MessageId, ThreadId
from domain.mailbox_state.mailbox import Mailbox, Membership, Message, When
from domain.rows import ALL_MAIL


def put_into(
    mailbox: Mailbox, messages: list[Message], *, labels: Iterable[LabelId], uids: Mapping[LabelId, int], when: When
) -> None:
    """Put each message into each label that it is not yet in, under consecutive UIDs from `uids[label]`."""
    for label_id in labels:
        uid = uids[label_id]
        for message in messages:
            if label_id not in message.places:
                _put(mailbox, message, label_id=label_id, uid=uid, when=when)
                uid += 1
        mailbox.labels[label_id].next_uid = uid


def _put(mailbox: Mailbox, message: Message, *, label_id: LabelId, uid: int, when: When) -> None:
    membership = Membership(
        label_id=label_id,
        uid=uid,
        message_id=message.id,
        listed_at=message.listed_at,
        unread=message.unread,
        starred=message.starred,
        deletion_mark=False,
        added_at=when.recorded_at,
        added_seq=when.seq,
        changed_seq=when.seq,
    )
    message.places[label_id] = membership
    mailbox.memberships[label_id, uid] = membership
    touch(mailbox, message.thread_id, label_id=label_id, seq=when.seq)


def take_out(mailbox: Mailbox, message: Message, *, label_id: LabelId, seq: int) -> None:
    """Take a message out of a label that it may be in; the membership stays as a tombstone."""
    membership = message.places.pop(label_id, None)
    if membership is None:
        return
    membership.removed_seq = membership.changed_seq = seq
    touch(mailbox, message.thread_id, label_id=label_id, seq=seq)


def show(mailbox: Mailbox, message: Message, *, seq: int) -> None:
    """Bring the message's keywords and listing to all its live memberships, and to its thread there and in all mail."""
    for membership in message.places.values():
        membership.unread = message.unread
        membership.starred = message.starred
        membership.listed_at = message.listed_at
        membership.changed_seq = seq
        touch(mailbox, message.thread_id, label_id=membership.label_id, seq=seq)
    touch_thread(mailbox, message.thread_id, label_id=ALL_MAIL, seq=seq)


def destroy(mailbox: Mailbox, message: Message, *, seq: int) -> None:
    """Take a message out of everything; its row stays as a tombstone without what it said."""
    for label_id in list(message.places):
        take_out(mailbox, message, label_id=label_id, seq=seq)
    touch_thread(mailbox, message.thread_id, label_id=ALL_MAIL, seq=seq)
    message.destroyed_seq = message.changed_seq = seq
    message.personal = None
    message.snoozed_until = None
    message.keywords = set()


def touch(mailbox: Mailbox, thread_id: ThreadId, *, label_id: LabelId, seq: int) -> None:
    """Note that a message of this thread changed in this label."""
    mailbox.labels[label_id].counts_seq = seq
    touch_thread(mailbox, thread_id, label_id=label_id, seq=seq)


def touch_thread(mailbox: Mailbox, thread_id: ThreadId, *, label_id: LabelId, seq: int) -> None:
    """Note a change of the thread's row in a label, or of that over all mail."""
    mailbox.thread_created.setdefault((thread_id, label_id), seq)
    mailbox.thread_changed[thread_id, label_id] = seq


def named(mailbox: Mailbox, message_ids: Iterable[MessageId], *, seq: int) -> list[Message]:
    """The messages that an event changes, in its order, each of them now last changed by it."""
    messages = [mailbox.messages[message_id] for message_id in message_ids]
    for message in messages:
        message.changed_seq = seq
    return messages
