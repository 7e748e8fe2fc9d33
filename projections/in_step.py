"""The views in step: how each event changes the rows that are written in the appending transaction.

`changes(rows, recorded events)` is the one function that append and rebuild share: it changes the working set `rows`
and names the rows touched, at most one write a row, so that SQL only writes rows and knows no mail rules. The in-memory
fold (`domain.mailbox_state`) was written independently and is the oracle.

Counts follow from *footings*: where a message stands (thread, labels, unread, size, listing) before and after an event.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from domain import events as e
from domain.ids import DraftId, LabelId, MessageId, SubmissionId, ThreadId
from domain.quota_levels import level_passed
from domain.rows import (
    ALL_MAIL,
    DocumentRow,
    DraftRow,
    LabelRow,
    MembershipRow,
    MessageRow,
    Needs,
    RecipientStatus,
    ReferenceRow,
    Rows,
    RowsMissingError,
    SubmissionRow,
    ThreadRow,
)
from domain.times import unix_ms

_encoder = msgspec.json.Encoder()


def _encode(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(value))


class Touched(msgspec.Struct):
    """The keys of the rows that the events changed, by table, in the order of their first change."""

    messages: dict[MessageId, None] = msgspec.field(default_factory=dict)
    memberships: dict[tuple[LabelId, int], None] = msgspec.field(default_factory=dict)
    labels: dict[LabelId, None] = msgspec.field(default_factory=dict)
    threads: dict[tuple[ThreadId, LabelId], None] = msgspec.field(default_factory=dict)
    references: dict[str, None] = msgspec.field(default_factory=dict)
    drafts: dict[DraftId, None] = msgspec.field(default_factory=dict)
    submissions: dict[SubmissionId, None] = msgspec.field(default_factory=dict)
    documents: dict[tuple[str, str], None] = msgspec.field(default_factory=dict)
    threads_led: list[tuple[ThreadId, ThreadId]] = msgspec.field(default_factory=list)
    """(from, into): every reference that leads to `from` leads to `into`; written as one statement, before the rows."""


class _Footing(msgspec.Struct, frozen=True):
    thread_id: ThreadId
    labels: tuple[LabelId, ...]
    unread: bool
    size: int
    listed_at: int


def changes(rows: Rows, recorded: Iterable[e.RecordedEvent], touched: Touched | None = None) -> Touched:
    """Apply the events to the rows; the keys of all rows changed (added to `touched` where given).

    Raises:
        RowsMissingError: rows are needed that were not loaded; `rows` is then spoilt and must be loaded anew.
    """
    result = Touched() if touched is None else touched
    step = _Step(rows, result)
    for event in recorded:
        step.apply(event)
    return result


class _Step:
    """One run of `changes`: the rows, what was touched, and the event at hand."""

    def __init__(self, rows: Rows, touched: Touched) -> None:
        self.rows = rows
        self.touched = touched
        self.seq = 0
        self.at = 0

    def apply(self, recorded: e.RecordedEvent) -> None:
        mailbox = self.rows.mailbox
        self.seq, self.at = recorded.seq, recorded.recorded_at
        mailbox.head, mailbox.recorded_at = recorded.seq, recorded.recorded_at
        if recorded.event is not None and (change := _CHANGES.get(type(recorded.event))) is not None:
            change(self, recorded.event)

    # -- messages and their footing

    def _message(self, message_id: MessageId) -> MessageRow:
        row = self.rows.message(message_id)
        if row is None:
            raise RowsMissingError(Needs(messages=(message_id,)))
        return row

    @staticmethod
    def _footing(row: MessageRow) -> _Footing | None:
        if row.destroyed_seq is not None:
            return None
        return _Footing(row.thread_id, tuple(row.labels), row.unread, row.size, row.listed_at)

    def _changed(self, row: MessageRow) -> None:
        row.changed_seq = self.seq
        self.touched.messages[row.message_id] = None

    def _recount(self, before: _Footing | None, after: _Footing | None) -> None:
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
        self, label_id: LabelId, was: _Footing | None, now: _Footing | None, threads: int, threads_unread: int
    ) -> None:
        label = self._label(label_id)
        label.total += (now is not None) - (was is not None)
        label.unread += bool(now and now.unread) - bool(was and was.unread)
        label.size += (now.size if now else 0) - (was.size if was else 0)
        label.threads += threads
        label.threads_unread += threads_unread
        self._counted(label)

    def _recount_thread(
        self, thread_id: ThreadId, label_id: LabelId, was: _Footing | None, now: _Footing | None
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

    def _label(self, label_id: LabelId) -> LabelRow:
        row = self.rows.label(label_id)
        if row is None:
            raise RowsMissingError(Needs(labels=(label_id,)))
        return row

    def _counted(self, label: LabelRow) -> None:
        label.counts_seq = self.seq
        self.touched.labels[label.label_id] = None

    def _enter(self, row: MessageRow, label_id: LabelId, uid: int, *, moved: MembershipRow | None = None) -> None:
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
        label = self._label(label_id)
        label.next_uid = max(label.next_uid, uid + 1)
        self.touched.labels[label_id] = None

    def _leave(self, label_id: LabelId, uid: int) -> MembershipRow:
        membership = self.rows.membership(label_id, uid)
        membership.removed_seq = membership.changed_seq = self.seq
        self.touched.memberships[label_id, uid] = None
        return membership

    def _set_labels(self, row: MessageRow, held: dict[LabelId, int]) -> None:
        row.labels = sorted(held)
        row.uids = [held[label_id] for label_id in row.labels]

    def _refresh_memberships(self, row: MessageRow) -> None:
        for key in zip(row.labels, row.uids, strict=True):
            membership = self.rows.membership(*key)
            membership.listed_at, membership.unread, membership.starred = row.listed_at, row.unread, row.starred
            membership.changed_seq = self.seq
            self.touched.memberships[key] = None

    # -- the mailbox

    def _use(self, size_bytes: int) -> None:
        mailbox = self.rows.mailbox
        mailbox.used_bytes += size_bytes
        self._settle_warning()

    def _settle_warning(self) -> None:
        mailbox = self.rows.mailbox
        mailbox.quota_warned = min(mailbox.quota_warned, level_passed(mailbox.used_bytes, mailbox.quota_bytes))

    def _document(self, kind: str, document_id: str, body: Any) -> None:
        before = self.rows.document(kind, document_id)
        created = before.created_seq if before else self.seq
        if before is None:
            self.rows.count_document(kind, 1)
        encoded = body if isinstance(body, msgspec.Raw) else _encode(body)
        self.rows.documents[kind, document_id] = DocumentRow(kind, document_id, encoded, created, self.seq)
        self.touched.documents[kind, document_id] = None

    def _remove_document(self, kind: str, document_id: str) -> None:
        row = self.rows.document(kind, document_id)
        if row is not None:
            self.rows.count_document(kind, -1)
            row.destroyed_seq = row.changed_seq = self.seq
            self.touched.documents[kind, document_id] = None


def _opened(step: _Step, event: e.MailboxOpened) -> None:
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
    step._document("profile", "", {"display_name": event.display_name, "signature": "", "time_zone": "UTC"})


def _new_label(
    step: _Step,
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


def _delivered(step: _Step, event: e.MessageDelivered) -> None:
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
        summary=_encode(event.personal) if isinstance(event.personal, e.MessagePersonal) else None,
        delivered_seq=step.seq,
        created_seq=step.seq,
        changed_seq=step.seq,
    )
    step.rows.messages[event.id] = row
    step._changed(row)
    for label_id, uid in zip(row.labels, row.uids, strict=True):
        step._enter(row, label_id, uid)
    step._recount(None, step._footing(row))
    step.rows.mailbox.messages += 1
    step._use(event.size)
    _lead(step, row, server)


def _lead(step: _Step, row: MessageRow, server: e.MessageServer) -> None:
    for ref in server.refs:
        if step.rows.reference(ref) is None:
            _refer(step, ref, row)
    if server.subject_ref:
        _refer(step, server.subject_ref, row)


def _refer(step: _Step, ref: str, row: MessageRow) -> None:
    step.rows.references[ref] = ReferenceRow(ref, row.thread_id, row.received_at)
    step.touched.references[ref] = None


def _reparsed(step: _Step, event: e.MessageReparsed) -> None:
    row = step._message(event.message_id)
    row.summary = _encode(event.personal) if isinstance(event.personal, e.MessagePersonal) else None
    row.has_attachment = event.has_attachment
    step._changed(row)
    for label_id in row.labels:
        step._counted(step._label(label_id))


def _keywords(step: _Step, event: e.KeywordsChanged) -> None:
    for message_id in event.message_ids:
        row = step._message(message_id)
        before = step._footing(row)
        row.keywords = sorted((set(row.keywords) - set(event.removed)) | set(event.added))
        step._changed(row)
        step._refresh_memberships(row)
        step._recount(before, step._footing(row))


def _labels(step: _Step, event: e.LabelsChanged) -> None:
    for place, message_id in enumerate(event.message_ids):
        row = step._message(message_id)
        before = step._footing(row)
        held = dict(zip(row.labels, row.uids, strict=True))
        for label_id in event.removed:
            step._leave(label_id, held.pop(label_id))
        for label_id in event.added:
            held[label_id] = event.uids[label_id] + place
            step._enter(row, label_id, held[label_id])
        step._set_labels(row, held)
        step._changed(row)
        step._recount(before, step._footing(row))


def _mark(step: _Step, event: e.DeletionMarked | e.DeletionUnmarked) -> None:
    for message_id in event.message_ids:
        row = step._message(message_id)
        uid = dict(zip(row.labels, row.uids, strict=True))[event.label_id]
        membership = step.rows.membership(event.label_id, uid)
        membership.deletion_mark = isinstance(event, e.DeletionMarked)
        membership.changed_seq = step.seq
        step.touched.memberships[event.label_id, uid] = None
    step._counted(step._label(event.label_id))


def _snoozed(step: _Step, event: e.MessagesSnoozed) -> None:
    for message_id in event.message_ids:
        row = step._message(message_id)
        row.snoozed_until = unix_ms(event.until)
        step._changed(row)


def _snooze_ended(step: _Step, event: e.SnoozeEnded) -> None:
    for message_id in event.message_ids:
        row = step._message(message_id)
        before = step._footing(row)
        row.snoozed_until = None
        step._changed(row)
        if event.listed_at is not None:
            row.listed_at = unix_ms(event.listed_at)
            step._refresh_memberships(row)
            step._recount(before, step._footing(row))


def _deleted(step: _Step, event: e.MessagesDeleted) -> None:
    for message_id in event.message_ids:
        row = step._message(message_id)
        _destroy(step, row)
        step.rows.mailbox.messages -= 1
        step._use(-row.size)


def _destroy(step: _Step, row: MessageRow) -> dict[LabelId, MembershipRow]:
    before = step._footing(row)
    left = {label_id: step._leave(label_id, uid) for label_id, uid in zip(row.labels, row.uids, strict=True)}
    row.destroyed_seq = step.seq
    row.labels, row.uids, row.keywords = [], [], []
    row.summary, row.snoozed_until = None, None
    step._changed(row)
    step._recount(before, None)
    return left


def _joined(step: _Step, event: e.ThreadsJoined) -> None:
    next_uids = dict(event.uids)
    for old_id, fresh_id in zip(event.message_ids, event.new_ids, strict=True):
        old = step._message(old_id)
        row = msgspec.structs.replace(
            old, message_id=fresh_id, thread_id=event.into, created_seq=step.seq, changed_seq=step.seq
        )
        left = _destroy(step, old)
        step.rows.messages[fresh_id] = row
        step._changed(row)
        held = {label_id: next_uids[label_id] for label_id in row.labels}
        for label_id, uid in held.items():
            next_uids[label_id] = uid + 1
            step._enter(row, label_id, uid, moved=left[label_id])
        step._set_labels(row, held)
        step._recount(None, step._footing(row))
        _repoint(step, old_id, fresh_id)
    step.touched.threads_led.append((event.from_, event.into))
    for ref, reference in step.rows.references.items():
        if reference.thread_id == event.from_:
            reference.thread_id = event.into
            step.touched.references[ref] = None


def _repoint(step: _Step, old_id: MessageId, fresh_id: MessageId) -> None:
    for draft in step.rows.drafts.values():
        if draft.message_id == old_id:
            draft.message_id, draft.changed_seq = fresh_id, step.seq
            step.touched.drafts[draft.draft_id] = None
    for submission in step.rows.submissions.values():
        if submission.message_id == old_id:
            submission.message_id, submission.changed_seq = fresh_id, step.seq
            step.touched.submissions[submission.submission_id] = None


def _label_created(step: _Step, event: e.LabelCreated) -> None:
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


def _label_changed(step: _Step, event: e.LabelChanged) -> None:
    row = step._label(event.label_id)
    row.name, row.parent_id = event.name, event.parent_id
    row.sort_order, row.subscribed, row.changed_seq = event.sort_order, event.subscribed, step.seq
    step.touched.labels[event.label_id] = None


def _label_deleted(step: _Step, event: e.LabelDeleted) -> None:
    row = step._label(event.label_id)
    row.destroyed_seq = row.changed_seq = step.seq
    step.touched.labels[event.label_id] = None


def _draft_saved(step: _Step, event: e.DraftSaved) -> None:
    before = step.rows.drafts.get(event.draft_id)
    created = before.created_seq if before else step.seq
    step.rows.drafts[event.draft_id] = DraftRow(event.draft_id, event.message_id, event.revision, created, step.seq)
    step.touched.drafts[event.draft_id] = None


def _draft_discarded(step: _Step, event: e.DraftDiscarded) -> None:
    row = step.rows.draft(event.draft_id)
    if row is not None:
        row.destroyed_seq = row.changed_seq = step.seq
        step.touched.drafts[event.draft_id] = None


def _submission_queued(step: _Step, event: e.SubmissionQueued) -> None:
    addresses: list[str | None] = [None] * event.recipient_count
    if isinstance(event.personal, e.SubmissionPersonal):
        addresses = [recipient.address for recipient in event.personal.recipients]
    step.rows.submissions[event.submission_id] = SubmissionRow(
        submission_id=event.submission_id,
        message_id=event.message_id,
        draft_id=event.draft_id,
        status="queued",
        recipients=[RecipientStatus(address, "queued") for address in addresses],
        queued_at=step.at,
        send_at=unix_ms(event.send_at),
        undo_until=unix_ms(event.undo_until),
        stream=event.stream,
        created_seq=step.seq,
        changed_seq=step.seq,
        waiting=True,
    )
    step.rows.sent.append((step.at, event.recipient_count))
    step.touched.submissions[event.submission_id] = None


def _submission(step: _Step, submission_id: SubmissionId) -> SubmissionRow:
    row = step.rows.submission(submission_id)
    if row is None:
        raise RowsMissingError(Needs(submissions=(submission_id,)))
    row.changed_seq = step.seq
    step.touched.submissions[submission_id] = None
    return row


def _submission_undone(step: _Step, event: e.SubmissionUndone) -> None:
    row = _submission(step, event.submission_id)
    row.status, row.waiting = "undone", False
    for recipient in row.recipients:
        recipient.status = "undone"


def _submission_rejected(step: _Step, event: e.SubmissionRejected) -> None:
    row = _submission(step, event.submission_id)
    row.status = "rejected"
    for recipient in row.recipients:
        recipient.status, recipient.last_reply = "rejected", event.reason


_WORST_FIRST = ("queued", "deferred", "bounced", "rejected", "relayed", "delivered")


def _recipient(step: _Step, event: e.RecipientReported) -> None:
    row = _submission(step, event.submission_id)
    recipient = row.recipients[event.recipient]
    recipient.status, recipient.attempts = event.status, event.attempts
    recipient.next_attempt_at = event.next_attempt_at
    recipient.last_reply = event.personal.last_reply if isinstance(event.personal, e.RecipientPersonal) else ""
    open_ones = {status.status for status in row.recipients}
    row.status = next((status for status in _WORST_FIRST if status in open_ones), row.status)


def _identity(step: _Step, event: e.IdentityChanged) -> None:
    if event.removed:
        step._remove_document("identity", event.identity_id)
        return
    body = {"name": event.name, "address": event.address, "reply_to": event.reply_to, "signature": event.signature}
    step._document("identity", event.identity_id, body)


def _contact(step: _Step, event: e.ContactChanged) -> None:
    if event.removed:
        step._remove_document("contact", event.contact_id)
        return
    body = {"name": event.name, "addresses": event.addresses, "note": event.note}
    step._document("contact", event.contact_id, body)


def _settings(step: _Step, event: e.SettingsChanged) -> None:
    body = {"display_name": event.display_name, "signature": event.signature, "time_zone": event.time_zone}
    step._document("profile", "", body)


def _quota_set(step: _Step, event: e.QuotaSet) -> None:
    step.rows.mailbox.quota_bytes = event.limit_bytes


def _quota_warned(step: _Step, event: e.QuotaWarned) -> None:
    step.rows.mailbox.quota_warned = event.level


def _restricted(step: _Step, event: e.SendingRestricted) -> None:
    step.rows.mailbox.sending_blocked = event.blocked
    step.rows.mailbox.sending_halved = not event.blocked


def _allowed(step: _Step, _event: e.SendingAllowed) -> None:
    step.rows.mailbox.sending_blocked = step.rows.mailbox.sending_halved = False


def _restored(step: _Step, event: e.MailboxRestored) -> None:
    for label_id, validity in event.uid_validity.items():
        row = step._label(label_id)
        row.uid_validity, row.changed_seq = validity, step.seq
        step.rows.mailbox.last_uid_validity = max(step.rows.mailbox.last_uid_validity, validity)
        step.touched.labels[label_id] = None


def _erased(step: _Step, _event: e.MailboxErased) -> None:
    step.rows.mailbox.erased = True


_CHANGES: dict[type[e.Event], Callable[[_Step, Any], None]] = {
    e.MailboxOpened: _opened,
    e.MessageDelivered: _delivered,
    e.MessageReparsed: _reparsed,
    e.KeywordsChanged: _keywords,
    e.LabelsChanged: _labels,
    e.DeletionMarked: _mark,
    e.DeletionUnmarked: _mark,
    e.MessagesSnoozed: _snoozed,
    e.SnoozeEnded: _snooze_ended,
    e.MessagesDeleted: _deleted,
    e.ThreadsJoined: _joined,
    e.LabelCreated: _label_created,
    e.LabelChanged: _label_changed,
    e.LabelDeleted: _label_deleted,
    e.DraftSaved: _draft_saved,
    e.DraftDiscarded: _draft_discarded,
    e.SubmissionQueued: _submission_queued,
    e.SubmissionUndone: _submission_undone,
    e.SubmissionRejected: _submission_rejected,
    e.RecipientReported: _recipient,
    e.IdentityChanged: _identity,
    e.ContactChanged: _contact,
    e.SettingsChanged: _settings,
    e.RulesReplaced: lambda step, event: step._document("rules", "", event.rules.copy()),
    e.VacationSet: lambda step, event: step._document("vacation", "", event.vacation.copy()),
    e.QuotaSet: _quota_set,
    e.QuotaWarned: _quota_warned,
    e.SendingRestricted: _restricted,
    e.SendingAllowed: _allowed,
    e.MailboxRestored: _restored,
    e.MailboxErased: _erased,
}
"""Which events change rows; the others only move the head."""
