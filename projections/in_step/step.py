"""One run of `changes`: the working set and what events of several kinds do to it; counts follow from footings."""

from typing import Any

import msgspec

from domain.events import RecordedEvent
from domain.ids import LabelId, MessageId, ThreadId
from domain.quota_levels import level_passed
from domain.rows import (
    ALL_MAIL,
    DocumentRow,
    LabelRow,
    MembershipRow,
    MessageRow,
    Needs,
    Rows,
    RowsMissingError,
    ThreadRow,
)
from projections.in_step.touched import Touched

_encoder = msgspec.json.Encoder()


def encoded(value: Any) -> msgspec.Raw:
    """The value as JSON."""
    return msgspec.Raw(_encoder.encode(value))


class Footing(msgspec.Struct, frozen=True):
    """Where a live message stands."""

    thread_id: ThreadId
    labels: tuple[LabelId, ...]
    unread: bool
    size: int
    listed_at: int


class Step:
    """One run of `changes`: the rows, what was touched, and the event at hand."""

    def __init__(self, rows: Rows, touched: Touched) -> None:
        self.rows = rows
        self.touched = touched
        self.seq = 0
        self.at = 0

    def begin(self, recorded: RecordedEvent) -> None:
        """What follows is this event's doing."""
        mailbox = self.rows.mailbox
        self.seq, self.at = recorded.seq, recorded.recorded_at
        mailbox.head, mailbox.recorded_at = recorded.seq, recorded.recorded_at

    # -- messages and their footing

    def message(self, message_id: MessageId) -> MessageRow:
        """The row of this message, live or tombstone.

        Raises: RowsMissingError, where it was not loaded.
        """
        row = self.rows.message(message_id)
        if row is None:
            raise RowsMissingError(Needs(messages=(message_id,)))
        return row

    @staticmethod
    def footing(row: MessageRow) -> Footing | None:
        """Where the message stands; None once it is destroyed."""
        if row.destroyed_seq is not None:
            return None
        return Footing(row.thread_id, tuple(row.labels), row.unread, row.size, row.listed_at)

    def changed(self, row: MessageRow) -> None:
        """The message is changed by this event."""
        row.changed_seq = self.seq
        self.touched.messages[row.message_id] = None

    def recount(self, before: Footing | None, after: Footing | None) -> None:
        """Move the counts of threads and labels from one footing of a message to the next.

        Labels that hold the message before and after with nothing else changed are not touched.
        """
        thread_id = (after or before).thread_id  # type: ignore[union-attr]
        held = (*before.labels, ALL_MAIL) if before else ()
        holds = (*after.labels, ALL_MAIL) if after else ()
        moved_only = before is not None and after is not None and before.labels != after.labels
        for label_id in dict.fromkeys(held + holds):
            if moved_only and label_id in held and label_id in holds:
                continue
            was = before if label_id in held else None
            now = after if label_id in holds else None
            threads, threads_unread = self._recount_thread(thread_id, label_id, was, now)
            if label_id != ALL_MAIL:
                self._recount_label(label_id, was, now, threads, threads_unread)

    def _recount_label(
        self, label_id: LabelId, was: Footing | None, now: Footing | None, threads: int, threads_unread: int
    ) -> None:
        label = self.label(label_id)
        label.total += (now is not None) - (was is not None)
        label.unread += bool(now and now.unread) - bool(was and was.unread)
        label.size += (now.size if now else 0) - (was.size if was else 0)
        label.threads += threads
        label.threads_unread += threads_unread
        self.counted(label)

    def _recount_thread(
        self, thread_id: ThreadId, label_id: LabelId, was: Footing | None, now: Footing | None
    ) -> tuple[int, int]:
        row = self._thread(thread_id, label_id)
        had, had_unread = row.total > 0, row.unread > 0
        row.total += (now is not None) - (was is not None)
        row.unread += bool(now and now.unread) - bool(was and was.unread)
        row.changed_seq = self.seq
        if now is not None and now.listed_at >= row.latest_at:
            row.latest_at = now.listed_at
        elif row.total == 0:
            row.latest_at = 0
        elif was is not None and was.listed_at >= row.latest_at and (now is None or now.listed_at < was.listed_at):
            row.latest_at = self._latest(thread_id, label_id)
        self.touched.threads[thread_id, label_id] = None
        return (row.total > 0) - had, (row.unread > 0) - had_unread

    def _latest(self, thread_id: ThreadId, label_id: LabelId) -> int:
        members = self.rows.thread_messages(thread_id)
        return max(m.listed_at for m in members if label_id == ALL_MAIL or label_id in m.labels)

    def _thread(self, thread_id: ThreadId, label_id: LabelId) -> ThreadRow:
        row = self.rows.thread(thread_id, label_id)
        if row is None:
            row = ThreadRow(label_id, thread_id, 0, 0, 0, self.seq, self.seq)
            self.rows.threads[thread_id, label_id] = row
            if label_id == ALL_MAIL:
                self.rows.whole_threads.add(thread_id)
                self.rows.asked.add(("thread_messages", thread_id))
        return row

    # -- labels and memberships

    def label(self, label_id: LabelId) -> LabelRow:
        """The live row of this label.

        Raises: RowsMissingError
        """
        row = self.rows.label(label_id)
        if row is None:
            raise RowsMissingError(Needs(labels=(label_id,)))
        return row

    def counted(self, label: LabelRow) -> None:
        """The label's counts are changed by this event."""
        label.counts_seq = self.seq
        self.touched.labels[label.label_id] = None

    def enter(self, row: MessageRow, label_id: LabelId, uid: int, *, moved: MembershipRow | None = None) -> None:
        """Put the message into a label; `moved` is the membership that it had there under another id."""
        membership = MembershipRow(
            label_id,
            uid,
            row.message_id,
            row.listed_at,
            row.unread,
            row.starred,
            moved.deletion_mark if moved else False,
            moved.added_at if moved else self.at,
            self.seq,
            self.seq,
        )
        self.rows.memberships[label_id, uid] = membership
        self.touched.memberships[label_id, uid] = None
        label = self.label(label_id)
        label.next_uid = max(label.next_uid, uid + 1)
        self.touched.labels[label_id] = None

    def leave(self, label_id: LabelId, uid: int) -> MembershipRow:
        """Take the membership away; it stays as a tombstone."""
        membership = self.rows.membership(label_id, uid)
        membership.removed_seq = membership.changed_seq = self.seq
        self.touched.memberships[label_id, uid] = None
        return membership

    def set_labels(self, row: MessageRow, held: dict[LabelId, int]) -> None:
        """The message's labels and the UIDs in them."""
        row.labels = sorted(held)
        row.uids = [held[label_id] for label_id in row.labels]

    def refresh_memberships(self, row: MessageRow) -> None:
        """Take over the message's listing and keywords into each of its memberships."""
        for key in zip(row.labels, row.uids, strict=True):
            membership = self.rows.membership(*key)
            membership.listed_at, membership.unread, membership.starred = row.listed_at, row.unread, row.starred
            membership.changed_seq = self.seq
            self.touched.memberships[key] = None

    # -- the mailbox

    def use(self, size_bytes: int) -> None:
        """So many bytes more (or fewer) are used."""
        mailbox = self.rows.mailbox
        mailbox.used_bytes += size_bytes
        self.settle_warning()

    def settle_warning(self) -> None:
        """A level that the used bytes fell below may be warned of again."""
        mailbox = self.rows.mailbox
        mailbox.quota_warned = min(mailbox.quota_warned, level_passed(mailbox.used_bytes, mailbox.quota_bytes))

    def document(self, kind: str, document_id: str, body: Any) -> None:
        """A small thing kept whole, as it is from now on, made anew where it was removed; what is or becomes JSON."""
        is_new = self.rows.document(kind, document_id) is None
        before = self.rows.documents.get((kind, document_id))
        created = before.created_seq if before else self.seq
        if is_new:
            self.rows.count_document(kind, 1)
        json = body if isinstance(body, msgspec.Raw) else encoded(body)
        self.rows.documents[kind, document_id] = DocumentRow(kind, document_id, json, created, self.seq)
        self.touched.documents[kind, document_id] = None

    def remove_document(self, kind: str, document_id: str) -> None:
        """It is gone; a tombstone stays."""
        row = self.rows.document(kind, document_id)
        if row is not None:
            self.rows.count_document(kind, -1)
            row.destroyed_seq = row.changed_seq = self.seq
            self.touched.documents[kind, document_id] = None
