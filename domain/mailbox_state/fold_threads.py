"""What joining two threads does: the messages of one stand in the other under new ids."""

from dataclasses import replace

from domain.events import ThreadsJoined
from domain.ids import LabelId, MessageId
from domain.mailbox_state.mailbox import Mailbox, Membership, Message, When
from domain.mailbox_state.places import destroy, put_into, touch_thread
from domain.rows import ALL_MAIL


def joined(mailbox: Mailbox, event: ThreadsJoined, when: When) -> None:
    """Everything about a moved message stays but its id, thread and UIDs; no byte is counted anew."""
    moved = [_moved(mailbox, event, old=old, new=new, when=when) for old, new in _pairs(event)]
    for label_id in event.uids:
        inside = [message for message, places in moved if label_id in places]
        put_into(mailbox, inside, labels=[label_id], uids=event.uids, when=when)
    for message, places in moved:
        _carry_over(message, places)
    _redirect_references(mailbox, event)
    for old, new in _pairs(event):
        _redirect_drafts_and_submissions(mailbox, old=old, new=new, when=when)


def _pairs(event: ThreadsJoined) -> list[tuple[MessageId, MessageId]]:
    return list(zip(event.message_ids, event.new_ids, strict=True))


def _moved(
    mailbox: Mailbox, event: ThreadsJoined, *, old: MessageId, new: MessageId, when: When
) -> tuple[Message, dict[LabelId, Membership]]:
    before = mailbox.messages[old]
    places = dict(before.places)
    after = replace(before, id=new, thread_id=event.into, created_seq=when.seq, changed_seq=when.seq, places={})
    destroy(mailbox, before, seq=when.seq)
    mailbox.messages[new] = after
    touch_thread(mailbox, event.into, label_id=ALL_MAIL, seq=when.seq)
    return after, places


def _carry_over(message: Message, places: dict[LabelId, Membership]) -> None:
    for label_id, before in places.items():
        message.places[label_id].deletion_mark = before.deletion_mark
        message.places[label_id].added_at = before.added_at


def _redirect_references(mailbox: Mailbox, event: ThreadsJoined) -> None:
    for ref in mailbox.references_to.pop(event.from_, ()):
        reference = mailbox.references[ref]
        if reference.thread_id == event.from_:
            reference.thread_id = event.into
            mailbox.references_to[event.into].add(ref)


def _redirect_drafts_and_submissions(mailbox: Mailbox, *, old: MessageId, new: MessageId, when: When) -> None:
    for pointing in mailbox.pointing_at.pop(old, ()):
        if pointing.message_id == old:
            pointing.message_id = new
            pointing.changed_seq = when.seq
            mailbox.pointing_at[new].append(pointing)
