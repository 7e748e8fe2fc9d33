"""A stream of valid events, written step by step.

`History` keeps the little that a valid event needs (UIDs, labels and keywords of live messages) by itself, so it owes
nothing to the fold that it tests.
"""

from typing import Any

import msgspec

from domain import events as e
from domain.times import rfc3339

START_MS = 1_795_000_000_000
SECOND_MS = 1000


class History:
    """A stream that grows by methods named after what happened; every event is a second after the one before."""

    def __init__(self) -> None:
        self.events: list[e.RecordedEvent] = []
        self.labels_of: dict[str, set[str]] = {}
        self.keywords_of: dict[str, set[str]] = {}
        self.thread_of: dict[str, str] = {}
        self.next_uid: dict[str, int] = {}
        self.numbers = 0

    @property
    def head(self) -> int:
        return len(self.events)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def now(self) -> int:
        """When the next event happens, in unix milliseconds."""
        return START_MS + (self.head + 1) * SECOND_MS

    def add(self, event: e.Event | None, *, topic: str = "", redacted: bool = False) -> int:
        """Append an event as it is; answers its seq."""
        named = topic or type(event).TOPIC
        self.events.append(e.RecordedEvent(self.head + 1, named, self.now(), event, redacted=redacted))
        return self.head

    def open(self, *, quota_bytes: int = 1_000_000) -> int:
        self.next_uid = dict.fromkeys(e.SYSTEM_LABELS, 1)
        validity = {label: 100 + i for i, label in enumerate(e.SYSTEM_LABELS)}
        return self.add(
            e.MailboxOpened(
                address="ada@example.org", display_name="Ada", uid_validity=validity, quota_bytes=quota_bytes
            )
        )

    def uids(self, labels: Any, count: int = 1) -> dict[str, int]:
        first = {label: self.next_uid[label] for label in labels}
        for label in labels:
            self.next_uid[label] += count
        return first

    def deliver(
        self,
        message_id: str = "",
        *,
        thread: str = "",
        labels: tuple[str, ...] = ("INBOX",),
        keywords: tuple[str, ...] = (),
        size: int = 1000,
        refs: tuple[str, ...] = (),
        subject_ref: str = "",
        redacted: bool = False,
    ) -> str:
        message_id = message_id or f"m{self.number():04d}"
        thread = thread or f"t-{message_id}"
        self.labels_of[message_id] = set(labels)
        self.keywords_of[message_id] = set(keywords)
        self.thread_of[message_id] = thread
        event = e.MessageDelivered(
            id=message_id,
            thread_id=thread,
            received_at=rfc3339(self.now()),
            listed_at=rfc3339(self.now()),
            size=size,
            labels=labels,
            keywords=keywords,
            has_attachment=False,
            source="inbound",
            uids=self.uids(labels),
            personal=msgspec.UNSET if redacted else personal(message_id),
            server=e.MessageServer(blob=f"emails/{message_id}.eml", refs=refs, subject_ref=subject_ref),
        )
        self.add(event, redacted=redacted)
        return message_id

    def keywords(self, *ids: str, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> int:
        for message_id in ids:
            self.keywords_of[message_id] = (self.keywords_of[message_id] - set(removed)) | set(added)
        return self.add(e.KeywordsChanged(message_ids=ids, added=added, removed=removed))

    def relabel(self, *ids: str, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> int:
        for message_id in ids:
            self.labels_of[message_id] = (self.labels_of[message_id] - set(removed)) | set(added)
        uids = self.uids(added, len(ids))
        return self.add(e.LabelsChanged(message_ids=ids, added=added, removed=removed, uids=uids))

    def mark(self, label: str, *ids: str) -> int:
        return self.add(e.DeletionMarked(label_id=label, message_ids=ids))

    def unmark(self, label: str, *ids: str) -> int:
        return self.add(e.DeletionUnmarked(label_id=label, message_ids=ids))

    def snooze(self, *ids: str) -> int:
        self.add(e.MessagesSnoozed(message_ids=ids, until=rfc3339(self.now() + 3_600_000)))
        return self.relabel(*ids, added=("ARCHIVE",), removed=("INBOX",))

    def wake(self, *ids: str) -> int:
        self.add(e.SnoozeEnded(message_ids=ids, listed_at=rfc3339(self.now())))
        return self.relabel(*ids, added=("INBOX",))

    def delete(self, *ids: str) -> int:
        for message_id in ids:
            del self.labels_of[message_id], self.keywords_of[message_id], self.thread_of[message_id]
        return self.add(e.MessagesDeleted(message_ids=ids, why="user"))

    def join(self, *, into: str, from_: str) -> dict[str, str]:
        """The messages of thread `from_` stand in `into`; answers old id → new id."""
        moved = {old: f"n{self.number():04d}" for old, thread in self.thread_of.items() if thread == from_}
        uids: dict[str, int] = {}
        for old, new in moved.items():
            self.labels_of[new] = self.labels_of.pop(old)
            self.keywords_of[new] = self.keywords_of.pop(old)
            del self.thread_of[old]
            self.thread_of[new] = into
            for label in sorted(self.labels_of[new]):
                uids.setdefault(label, self.next_uid[label])
                self.next_uid[label] += 1
        self.add(
            e.ThreadsJoined(into=into, from_=from_, message_ids=tuple(moved), new_ids=tuple(moved.values()), uids=uids)
        )
        return moved

    def label(self, label_id: str, name: str, *, parent: str | None = None) -> int:
        self.next_uid[label_id] = 1
        return self.add(
            e.LabelCreated(
                label_id=label_id,
                name=name,
                parent_id=parent,
                role=None,
                uid_validity=200 + self.head,
                sort_order=0,
                subscribed=True,
            )
        )

    def rename(self, label_id: str, name: str, *, parent: str | None = None) -> int:
        return self.add(e.LabelChanged(label_id=label_id, name=name, parent_id=parent, sort_order=7, subscribed=False))

    def draft(self, draft_id: str, message_id: str, *, revision: int = 1, replaces: str | None = None) -> int:
        return self.add(e.DraftSaved(draft_id=draft_id, revision=revision, message_id=message_id, replaces=replaces))

    def submit(
        self, submission_id: str, message_id: str, *recipients: str, draft_id: str = "d1", redacted: bool = False
    ) -> int:
        to = tuple(e.SubmissionRecipient(one) for one in recipients)
        return self.add(
            e.SubmissionQueued(
                submission_id=submission_id,
                message_id=message_id,
                draft_id=draft_id,
                identity_id=None,
                recipient_count=len(recipients),
                queued_at=rfc3339(self.now()),
                send_at=rfc3339(self.now() + 10_000),
                undo_until=rfc3339(self.now() + 10_000),
                stream="personal",
                personal=msgspec.UNSET if redacted else e.SubmissionPersonal("ada@example.org", to),
            ),
            redacted=redacted,
        )

    def report(self, submission_id: str, recipient: int, status: str, *, message_id: str, reply: str = "250 ok") -> int:
        return self.add(
            e.RecipientReported(
                submission_id=submission_id,
                message_id=message_id,
                recipient=recipient,
                status=status,
                attempts=1,
                next_attempt_at=None,
                personal=e.RecipientPersonal("someone@example.net", reply),
            )
        )


def personal(message_id: str) -> e.MessagePersonal:
    """A header summary that names the message."""
    return e.MessagePersonal(
        from_=(e.Mailaddress("Charles", "charles@example.net"),),
        to=(e.Mailaddress("Ada", "ada@example.org"),),
        subject=f"On {message_id}",
        snippet="The engine weaves",
        date="2026-11-22T00:31:07+01:00",
    )
