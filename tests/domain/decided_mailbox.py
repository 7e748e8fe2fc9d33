"""A mailbox for given-when-then: commands run on a working set of exactly the rows they declared, as in the lane.

What a command did is written to the full rows by the views in step. Every run checks that the decision left its rows as
they were, and counts how often rows had to be read.
"""

import copy
from collections.abc import Iterable
from typing import Any

from domain.commands import Context, Decided, TakeFromOutbox
from domain.decisions import Composed, Deliver, MailboxDecision, OpenMailbox
from domain.events import Event, Mailaddress, MessagePersonal, MessageServer, RecordedEvent
from domain.rows import MailboxRow, MessageRow, Needs, Rows, RowsMissingError
from domain.threading import ref
from projections.in_step import changes

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
MAILBOX = "m1"


class _Everything(set):
    """Holds whatever is looked for: all rows of the full working set are loaded or absent."""

    def __contains__(self, _key: object) -> bool:
        return True

    def __rand__(self, other: set[Any]) -> set[Any]:
        return other


class DecidedMailbox:
    """One mailbox and its log. `run` answers what a command came to; refusals are raised."""

    def __init__(self, *, quota_bytes: int = 1_000_000, opened: bool = True) -> None:
        self.rows = Rows(MailboxRow(MAILBOX))
        self.rows.asked, self.rows.whole_threads = _Everything(), _Everything()
        self.log: list[RecordedEvent] = []
        self.now_ms = NOW_MS
        self.reads = 0
        self.numbers = 0
        if opened:
            self.run(OpenMailbox, address="ann@example.org", display_name="Ann", quota_bytes=quota_bytes)

    def new_id(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.numbers:06d}"

    def run(self, kind: type[Any], **fields: Any) -> Decided:
        """Decides, appends, and keeps count of the reads."""
        command = kind(mailbox_id=MAILBOX, command_id=self.new_id("c"), **fields)
        decided = self._decide(command)
        self._record(self.rows, decided.events)
        self.log.extend(self._recorded(decided.events, self.rows.mailbox.head - len(decided.events)))
        for effect in decided.effects:
            if isinstance(effect, TakeFromOutbox):
                self.rows.submissions[effect.submission_id].waiting = False
        return decided

    def deliver(self, message_id: str = "", **fields: Any) -> str:
        """The id of a message delivered to INBOX, unless `fields` say otherwise."""
        made = fields.pop("server", server(own=f"{self.numbers}@example.org"))
        wanted = {
            "personal": PERSONAL,
            "server": made,
            "size": 1000,
            "received_at": self.now_ms,
            "labels": ("INBOX",),
            "source": "inbound",
        }
        return str(self.run(Deliver, **wanted | fields | {"message_id": message_id or None}).answer["id"])

    def message(self, message_id: str) -> MessageRow:
        return self.rows.messages[message_id]

    def labels(self, message_id: str) -> list[str]:
        return list(self.rows.messages[message_id].labels)

    def keywords(self, message_id: str) -> list[str]:
        return list(self.rows.messages[message_id].keywords)

    def _decide(self, command: MailboxDecision) -> Decided:
        needs, self.reads = command.needs(), 0
        while True:
            self.reads += 1
            assert self.reads < 8, needs
            working = working_set(self.rows, needs)
            before = copy.deepcopy(vars(working))
            try:
                decided = command.decide(working, Context(self.now_ms, self._noting(working)))
                assert _without_asked(vars(working)) == _without_asked(before), "a decision changed the rows"
                self._record(working, decided.events)
            except RowsMissingError as missing:
                needs = needs | missing.needs
            else:
                return decided

    def _noting(self, working: Rows) -> Any:
        def make(prefix: str) -> str:
            made = self.new_id(prefix)
            kinds = {"e": "message", "t": "thread", "l": "label", "d": "draft", "s": "submission"}
            documents = {"c": "contact", "i": "identity"}
            working.asked.add((kinds.get(prefix), made))
            working.asked.add(("document", (documents.get(prefix), made)))
            return made

        return make

    def _record(self, rows: Rows, events: Iterable[Event]) -> None:
        changes(rows, self._recorded(events, rows.mailbox.head))

    def _recorded(self, events: Iterable[Event], head: int) -> list[RecordedEvent]:
        at = max(self.now_ms, self.rows.mailbox.recorded_at)  # what is recorded never goes back
        return [RecordedEvent(head + n, e.TOPIC, at, e) for n, e in enumerate(events, start=1)]


PERSONAL = MessagePersonal(from_=(Mailaddress("Bob", "bob@example.com"),), subject="Lunch")


def server(*, own: str = "", mentions: Iterable[str] = (), subject_ref: str = "") -> MessageServer:
    """The server's part of a message with this Message-ID that mentions those."""
    refs = tuple(ref(text) for text in (own, *mentions) if text)
    return MessageServer(blob=f"emails/{own or 'nameless'}.eml", refs=refs, subject_ref=subject_ref)


def composed(own: str = "draft@example.org", *, size: int = 1000, mentions: Iterable[str] = ()) -> Composed:
    """A message as the composer hands it over."""
    return Composed(
        personal=PERSONAL,
        server=server(own=own, mentions=mentions),
        size=size,
        received_at=NOW_MS,
        blobs=("attachments/aa",),
    )


def working_set(full: Rows, needs: Needs) -> Rows:
    """A copy of the rows that these needs name and of what comes with them: all that a command may see."""
    rows = Rows(copy.deepcopy(full.mailbox))
    named = [full.messages[i] for i in needs.messages if i in full.messages]
    in_threads = [m for m in full.messages.values() if m.thread_id in needs.thread_messages and _live(m)]
    threads = {m.thread_id for m in named} | set(needs.thread_messages)
    near = {m.thread_id for m in named} if needs.siblings else set()
    siblings = [m for m in full.messages.values() if m.thread_id in near and _live(m)]
    _put_messages(rows, full, named + in_threads, siblings)
    for name in needs.references:
        if name in full.references:
            rows.references[name] = full.references[name]
            threads.add(full.references[name].thread_id)
    rows.threads = {key: row for key, row in full.threads.items() if key[0] in threads}
    rows.labels |= {i: row for i, row in full.labels.items() if needs.all_labels or i in needs.labels}
    rows.drafts |= {i: row for i, row in full.drafts.items() if i in needs.drafts}
    rows.submissions |= {i: row for i, row in full.submissions.items() if i in needs.submissions}
    moved = {m.message_id for m in in_threads}
    rows.submissions |= {i: row for i, row in full.submissions.items() if row.message_id in moved}
    rows.documents = {
        key: row for key, row in full.documents.items() if key in needs.documents or key[0] in needs.document_kinds
    }
    live = [kind for (kind, _), row in full.documents.items() if row.destroyed_seq is None]
    rows.document_counts = {kind: live.count(kind) for kind in needs.document_counts}
    rows.sent = list(full.sent) if needs.sending else []
    rows.record = dict(full.record) if needs.record else {}
    rows.automatic = list(full.automatic) if needs.sending else []
    _note_asked(rows, needs)
    for name, value in vars(rows).items():
        setattr(rows, name, copy.deepcopy(value))
    return rows


def _put_messages(rows: Rows, full: Rows, whole: list[MessageRow], siblings: list[MessageRow]) -> None:
    ids = {m.message_id for m in whole}
    rows.messages = {m.message_id: m for m in (*siblings, *whole)}
    rows.memberships = {key: row for key, row in full.memberships.items() if row.message_id in ids}
    rows.labels = {label: full.labels[label] for m in whole for label in m.labels}
    rows.drafts = {i: row for i, row in full.drafts.items() if row.message_id in ids}


def _note_asked(rows: Rows, needs: Needs) -> None:
    single = {
        "message": needs.messages,
        "label": needs.labels,
        "reference": needs.references,
        "thread_messages": needs.thread_messages,
        "draft": needs.drafts,
        "submission": needs.submissions,
        "document": needs.documents,
        "documents": needs.document_kinds,
        "document count": needs.document_counts,
        "thread": (*needs.thread_messages, *(thread_id for thread_id, _ in rows.threads)),
    }
    rows.asked = {(kind, key) for kind, keys in single.items() for key in keys}
    rows.asked |= {("labels", "*")} if needs.all_labels else set()
    rows.asked |= {("sending", "*")} if needs.sending else set()
    rows.asked |= {("record", "*")} if needs.record else set()
    rows.whole_threads = set(needs.thread_messages)
    for (thread_id, label_id), thread in rows.threads.items():
        loaded = sum(1 for m in rows.messages.values() if m.thread_id == thread_id and _live(m))
        if label_id == "" and thread.total == loaded:
            rows.whole_threads.add(thread_id)


def _live(message: MessageRow) -> bool:
    return message.destroyed_seq is None


NOTES = ("asked", "whole_threads", "_members", "_threaded")
"""What a working set notes about itself; the rows are the rest."""


def _without_asked(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in NOTES}
