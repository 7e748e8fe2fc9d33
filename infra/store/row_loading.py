"""Loading the declared rows of many mailboxes at once, under their lock, in one round trip.

Every statement names (mailbox, key) pairs and joins the mailbox row for the live generation, so that the rows can be
asked for in the same round trip that takes the lock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.types.json import set_json_loads

from domain.automatic_mail import STREAMS
from domain.ids import MailboxId, SubmissionId, ThreadId
from domain.rows import ALL_MAIL, LabelRow, MailboxRow, Needs, ReferenceRow, Rows, Tally, ThreadRow
from domain.sending_record import RECORD_MS
from domain.times import DAY_MS
from infra.store.array_literals import numbers, texts
from infra.store.row_tables import (
    DOCUMENTS,
    DRAFTS,
    LABELS,
    MAILBOX_COLUMNS,
    MEMBERSHIPS,
    MESSAGES,
    REFERENCES,
    SUBMISSIONS,
    THREADS,
    RowTable,
)
from infra.store.wire import Answer, Asks

LOCK_MAILBOXES = (
    f"SELECT {MAILBOX_COLUMNS} FROM mailboxes WHERE mailbox_id = ANY (%s::text[]) ORDER BY mailbox_id FOR NO KEY UPDATE"
)
"""Everyone who writes several mailboxes locks them in this order, so that no two wait for each other."""

ROWS_BY_KEY = """
    SET plan_cache_mode = force_generic_plan;
    SET join_collapse_limit = 1;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET enable_seqscan = off;
    SET enable_material = off
"""
"""For connections that load and write rows by their keys: one plan, in the order in which the statements join. On
tables that were not analysed lately any other takes reading the whole mailbox for cheap."""

_PAIRS = "FROM unnest(%s::text[], %s::text[]) AS n(mailbox_id, key) JOIN mailboxes b USING (mailbox_id)"
_OF_GENERATION = "x.mailbox_id = n.mailbox_id AND x.generation = b.generation"
_MESSAGE = f"{_PAIRS} JOIN messages m ON m.mailbox_id = n.mailbox_id AND m.generation = b.generation"
_OF_MESSAGE = "x.mailbox_id = m.mailbox_id AND x.generation = m.generation"
_LIVE = "m.destroyed_seq IS NULL"

_READ_COMMIT = (
    "SELECT * FROM read_commit(%s::text[], %s::text[], %s::text[],"
    " %s::text[], %s::integer[], %s::text[], %s::text[], %s::integer[], %s::text[])"
)

Seen = dict[tuple[MailboxId, str], tuple[bytes, int, int, bytes]]
"""(mailbox, command id) → digest, first seq, last seq, sealed answer."""
_Take = Callable[[Rows, list[Any]], None]


def read_json_as_raw(connection: Connection[Any]) -> None:
    """JSON columns of this connection are handed over as the bytes they are."""
    set_json_loads(lambda data: msgspec.Raw(bytes(data) if not isinstance(data, str) else data.encode()), connection)


def _by_key(table: RowTable, column: str) -> str:
    return (
        f"SELECT n.mailbox_id, {table.columns} {_PAIRS} JOIN {table.name} x ON {_OF_GENERATION} AND x.{column} = n.key"
    )


_MESSAGES_BY_ID = _by_key(MESSAGES, "message_id")
_LABELS_BY_ID = _by_key(LABELS, "label_id")
_ALL_LABELS = f"SELECT n.mailbox_id, {LABELS.columns} {_PAIRS} JOIN labels x ON {_OF_GENERATION}"
_REFERENCES = _by_key(REFERENCES, "ref")
_THREADS_OF_REFERENCES = (
    f"SELECT DISTINCT n.mailbox_id, {THREADS.columns} {_PAIRS}"
    " JOIN thread_references r ON r.mailbox_id = n.mailbox_id AND r.generation = b.generation AND r.ref = n.key"
    " JOIN threads x ON x.mailbox_id = r.mailbox_id AND x.generation = r.generation AND x.thread_id = r.thread_id"
)
_THREADS = _by_key(THREADS, "thread_id")
_THREAD_MESSAGES = (
    f"SELECT n.mailbox_id, {MESSAGES.columns} {_PAIRS}"
    f" JOIN messages x ON {_OF_GENERATION} AND x.thread_id = n.key AND x.destroyed_seq IS NULL"
)
_SIBLINGS = (
    f"SELECT DISTINCT ON (n.mailbox_id, x.message_id) n.mailbox_id, {MESSAGES.columns} {_MESSAGE}"
    f" AND m.message_id = n.key JOIN messages x ON {_OF_MESSAGE} AND x.thread_id = m.thread_id"
    " AND x.destroyed_seq IS NULL AND x.message_id <> m.message_id"
)


def _of_messages(column: str, select: str, join: str) -> str:
    return f"SELECT DISTINCT n.mailbox_id, {select} {_MESSAGE} AND m.{column} = n.key {join}"


_MEMBERSHIPS_JOIN = (
    "CROSS JOIN LATERAL unnest(m.labels, m.uids) AS k(label_id, uid)"
    f" JOIN memberships x ON {_OF_MESSAGE} AND x.label_id = k.label_id AND x.uid = k.uid"
)
_LABELS_JOIN = (
    f"CROSS JOIN LATERAL unnest(m.labels) AS k(label_id) JOIN labels x ON {_OF_MESSAGE} AND x.label_id = k.label_id"
)
_THREADS_JOIN = f"JOIN threads x ON {_OF_MESSAGE} AND x.thread_id = m.thread_id"
_MEMBERSHIPS_OF = _of_messages("message_id", MEMBERSHIPS.columns, _MEMBERSHIPS_JOIN)
_LABELS_OF = _of_messages("message_id", LABELS.columns, _LABELS_JOIN)
_THREADS_OF = _of_messages("message_id", THREADS.columns, _THREADS_JOIN)
_LIVE_MEMBERSHIPS = f"{_MEMBERSHIPS_JOIN} WHERE {_LIVE}"
_MEMBERSHIPS_OF_THREADS = _of_messages("thread_id", MEMBERSHIPS.columns, _LIVE_MEMBERSHIPS)
_LABELS_OF_THREADS = _of_messages("thread_id", LABELS.columns, f"{_LABELS_JOIN} WHERE {_LIVE}")

_DRAFTS = _by_key(DRAFTS, "draft_id")
_DRAFTS_OF = _by_key(DRAFTS, "message_id")
_SUBMISSIONS = _by_key(SUBMISSIONS, "submission_id")
_DRAFTS_OF_THREADS = (
    f"SELECT n.mailbox_id, {DRAFTS.columns} {_MESSAGE} AND m.thread_id = n.key AND {_LIVE}"
    f" JOIN drafts x ON {_OF_MESSAGE} AND x.message_id = m.message_id"
)
_SUBMISSIONS_OF_THREADS = (
    f"SELECT n.mailbox_id, {SUBMISSIONS.columns} {_MESSAGE} AND m.thread_id = n.key AND {_LIVE}"
    f" JOIN submissions x ON {_OF_MESSAGE} AND x.message_id = m.message_id"
)
_WAITING = (
    f"SELECT n.mailbox_id, o.submission_id {_PAIRS}"
    " JOIN outbox o ON o.mailbox_id = n.mailbox_id AND o.submission_id = n.key"
)
_DOCUMENTS = (
    f"SELECT n.mailbox_id, {DOCUMENTS.columns} FROM unnest(%s::text[], %s::text[], %s::text[])"
    " AS n(mailbox_id, key, kind) JOIN mailboxes b USING (mailbox_id)"
    f" JOIN documents x ON {_OF_GENERATION} AND x.kind = n.kind AND x.document_id = n.key"
)
_DOCUMENTS_OF_KIND = _by_key(DOCUMENTS, "kind")
_DOCUMENT_COUNTS = (
    f"SELECT n.mailbox_id, n.key, count(*) {_PAIRS} JOIN documents x ON {_OF_GENERATION} AND x.kind = n.key"
    " AND x.destroyed_seq IS NULL GROUP BY n.mailbox_id, n.key"
)
_SENT = (
    "SELECT n.mailbox_id, x.queued_at, json_array_length(x.recipients), x.stream"
    " FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, since) JOIN mailboxes b USING (mailbox_id)"
    f" JOIN submissions x ON {_OF_GENERATION} AND x.queued_at > n.since ORDER BY x.queued_at"
)

_RECORD = (
    "SELECT n.mailbox_id, x.submission_id, x.queued_at, json_array_length(x.recipients), r.bounced, r.complained"
    " FROM unnest(%s::text[], %s::bigint[]) AS n(mailbox_id, since) JOIN mailboxes b USING (mailbox_id)"
    f" JOIN submissions x ON {_OF_GENERATION} AND x.queued_at > n.since CROSS JOIN LATERAL ("
    "SELECT count(*) FILTER (WHERE one ->> 'status' = 'bounced') AS bounced,"
    " count(*) FILTER (WHERE one ->> 'feedback' = 'complaint') AS complained"
    " FROM json_array_elements(x.recipients) one) r"
)


class Loading:
    """One round trip of loading: ask for everything, let the pipeline be flushed, then take the answers.

    Rows are those of the live generation, or of another that is being built.
    """

    def __init__(self, asks: Asks, *, generation: int | None = None) -> None:
        self._asks = asks
        self._generation = generation
        self._asked: list[tuple[Answer, _Take]] = []

    def execute(self, statement: str, parameters: tuple[str, ...]) -> Answer:
        """Queue a statement; its rows are read after the round trip."""
        if self._generation is not None:
            # Behind a subselect the number is no guide for the planner, whose statistics know no row of it yet.
            statement = statement.replace("b.generation", f"(SELECT {int(self._generation)})")
        return self._asks.ask(statement, parameters)

    def _ask(self, statement: str, wanted: Mapping[MailboxId, Iterable[Any]], take: _Take) -> None:
        pairs = [(mailbox_id, key) for mailbox_id, keys in wanted.items() for key in keys]
        if pairs:
            keys = [key for _, key in pairs]
            second = texts(keys) if isinstance(keys[0], str) else numbers(keys)
            answer = self.execute(statement, (texts([mailbox_id for mailbox_id, _ in pairs]), second))
            self._asked.append((answer, take))

    def lock(
        self,
        needs: Mapping[MailboxId, Needs],
        commands: Sequence[tuple[MailboxId, str]],
        generations: Mapping[MailboxId, int],
    ) -> "LockedRead":
        """Queue the lock of the mailbox rows and, behind it, the reading of commands seen, labels and references.

        `generations` are the live ones as they were last seen; which of them are no more `LockedRead.take` finds out.
        """
        labels = [(m, key) for m, n in needs.items() if not n.all_labels for key in n.labels]
        references = [(m, key) for m, n in needs.items() for key in n.references]
        asked = [texts(sorted(needs)), texts([m for m, _ in commands]), texts([c for _, c in commands])]
        for pairs in (labels, references):
            asked += (
                texts([m for m, _ in pairs]),
                numbers([generations.get(m, 1) for m, _ in pairs]),
                texts([key for _, key in pairs]),
            )
        return LockedRead(self.execute(_READ_COMMIT, tuple(asked)), {m: generations.get(m, 1) for m in needs})

    def ask(self, needs: Mapping[MailboxId, Needs], now_ms: int, *, locked: bool = False) -> None:
        """Queue every statement that these needs call for; `locked`: labels and references came with the lock."""
        self._ask_messages(needs)
        self._ask(_ALL_LABELS, {m: ("",) for m, n in needs.items() if n.all_labels}, _take_label)
        self._ask(_THREADS, {m: n.threads for m, n in needs.items()}, _take_thread)
        if not locked:
            self._ask_labels_and_references(needs)
        self._ask(_DRAFTS, {m: n.drafts for m, n in needs.items()}, _take_draft)
        submissions = {m: n.submissions for m, n in needs.items()}
        self._ask(_SUBMISSIONS, submissions, _take_submission)
        self._ask(_WAITING, submissions, _take_waiting)
        self._ask_documents(needs)
        sending = {m: (now_ms - DAY_MS,) for m, n in needs.items() if n.sending}
        self._ask(_SENT, sending, _take_sent)
        record = {m: (now_ms - RECORD_MS,) for m, n in needs.items() if n.record}
        self._ask(_RECORD, record, _take_record)

    def _ask_messages(self, needs: Mapping[MailboxId, Needs]) -> None:
        messages = {m: n.messages for m, n in needs.items()}
        self._ask(_MESSAGES_BY_ID, messages, _take_message)
        self._ask(_MEMBERSHIPS_OF, messages, _take_membership)
        self._ask(_THREADS_OF, messages, _take_thread)
        self._ask(_LABELS_OF, messages, _take_label)
        self._ask(_SIBLINGS, {m: n.messages for m, n in needs.items() if n.siblings}, _take_message)
        self._ask(_DRAFTS_OF, messages, _take_draft)
        threads = {m: n.thread_messages for m, n in needs.items()}
        self._ask(_THREAD_MESSAGES, threads, _take_message)
        self._ask(_THREADS, threads, _take_thread)
        self._ask(_MEMBERSHIPS_OF_THREADS, threads, _take_membership)
        self._ask(_LABELS_OF_THREADS, threads, _take_label)
        self._ask(_DRAFTS_OF_THREADS, threads, _take_draft)
        self._ask(_SUBMISSIONS_OF_THREADS, threads, _take_submission)

    def _ask_labels_and_references(self, needs: Mapping[MailboxId, Needs]) -> None:
        self._ask(_LABELS_BY_ID, {m: n.labels for m, n in needs.items() if not n.all_labels}, _take_label)
        references = {m: n.references for m, n in needs.items()}
        self._ask(_REFERENCES, references, _take_reference)
        self._ask(_THREADS_OF_REFERENCES, references, _take_thread)

    def _ask_documents(self, needs: Mapping[MailboxId, Needs]) -> None:
        wanted = [(m, document_id, kind) for m, n in needs.items() for kind, document_id in n.documents]
        if wanted:
            answer = self.execute(_DOCUMENTS, tuple(texts([w[place] for w in wanted]) for place in range(3)))
            self._asked.append((answer, _take_document))
        self._ask(_DOCUMENTS_OF_KIND, {m: n.document_kinds for m, n in needs.items()}, _take_document)
        self._ask(_DOCUMENT_COUNTS, {m: n.document_counts for m, n in needs.items()}, _take_document_count)

    def take(self, rows: Mapping[MailboxId, Rows], needs: Mapping[MailboxId, Needs]) -> None:
        """Put the answers into the working sets and note what was asked for."""
        for answer, take in self._asked:
            for mailbox_id, *values in answer.fetchall():
                take(rows[mailbox_id], values)
        for mailbox_id, wanted in needs.items():
            if mailbox_id in rows:
                _note_asked(rows[mailbox_id], wanted)


class LockedRead:
    """The answer to `Loading.lock`."""

    def __init__(self, answer: Answer, generations: Mapping[MailboxId, int]) -> None:
        self._answer = answer
        self._generations = generations

    def take(self) -> tuple[dict[MailboxId, Rows], Seen]:
        """A working set for each mailbox row locked, with what came with the lock, and the commands seen.

        Raises: GenerationChangedError, where labels and references were read in a generation that is live no more.
        """
        ((mailboxes, seen, labels, references, threads),) = self._answer.fetchall()
        rows = {row.mailbox_id: Rows(row) for row in _decoded(_mailboxes, mailboxes)}
        live = {mailbox_id: mine.mailbox.generation for mailbox_id, mine in rows.items()}
        if any(generation != self._generations[mailbox_id] for mailbox_id, generation in live.items()):
            raise GenerationChangedError(live)
        for mailbox_id, label in _decoded(_labels, labels):
            rows[mailbox_id].labels[label.label_id] = label
        for mailbox_id, reference in _decoded(_references, references):
            rows[mailbox_id].references[reference.ref] = reference
        for mailbox_id, thread in _decoded(_threads, threads):
            rows[mailbox_id].threads[thread.thread_id, thread.label_id] = thread
        return rows, {(m, c): (d, first, last, a) for m, c, d, first, last, a in _decoded(_seen, seen)}


class GenerationChangedError(Exception):
    """Rows were asked for in a generation that a rebuild has replaced; `live` are those that hold under the lock."""

    def __init__(self, live: dict[MailboxId, int]) -> None:
        super().__init__("another generation is live")
        self.live = live


def _decoded(decoder: msgspec.json.Decoder[list[Any]], found: msgspec.Raw | None) -> list[Any]:
    return [] if found is None else decoder.decode(found)


_mailboxes: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[MailboxRow])
_labels: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[tuple[MailboxId, LabelRow]])
_references: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[tuple[MailboxId, ReferenceRow]])
_threads: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[tuple[MailboxId, ThreadRow]])
_seen: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[tuple[MailboxId, str, bytes, int, int, bytes]])


_NOTED = (
    ("message", "messages"),
    ("label", "labels"),
    ("reference", "references"),
    ("draft", "drafts"),
    ("submission", "submissions"),
    ("document", "documents"),
    ("documents", "document_kinds"),
    ("document count", "document_counts"),
    ("thread_messages", "thread_messages"),
    ("thread", "thread_messages"),
    ("thread", "threads"),
)
"""Under which name in `Rows.asked` the keys of each need are noted."""


def _note_asked(rows: Rows, needs: Needs) -> None:
    asked = rows.asked
    for name, field in _NOTED:
        if keys := getattr(needs, field):
            asked.update([(name, key) for key in keys])
    if needs.all_labels:
        asked.add(("labels", "*"))
    if needs.sending:
        asked.add(("sending", "*"))
    if needs.record:
        asked.add(("record", "*"))
    rows.whole_threads.update(needs.thread_messages)
    if rows.messages or rows.threads:
        _note_whole_threads(rows)


def _note_whole_threads(rows: Rows) -> None:
    loaded: dict[ThreadId, int] = {}
    for message in rows.messages.values():
        if message.destroyed_seq is None:
            loaded[message.thread_id] = loaded.get(message.thread_id, 0) + 1
    for (thread_id, label_id), thread in rows.threads.items():
        rows.asked.add(("thread", thread_id))
        if label_id == ALL_MAIL and thread.total == loaded.get(thread_id, 0):
            rows.whole_threads.add(thread_id)


def _take_message(rows: Rows, values: list[Any]) -> None:
    row = MESSAGES.row(values)
    rows.messages.setdefault(row.message_id, row)


def _take_membership(rows: Rows, values: list[Any]) -> None:
    row = MEMBERSHIPS.row(values)
    rows.memberships.setdefault((row.label_id, row.uid), row)


def _take_label(rows: Rows, values: list[Any]) -> None:
    row = LABELS.row(values)
    rows.labels.setdefault(row.label_id, row)


def _take_thread(rows: Rows, values: list[Any]) -> None:
    row = THREADS.row(values)
    rows.threads.setdefault((row.thread_id, row.label_id), row)


def _take_reference(rows: Rows, values: list[Any]) -> None:
    row = REFERENCES.row(values)
    rows.references.setdefault(row.ref, row)


def _take_draft(rows: Rows, values: list[Any]) -> None:
    row = DRAFTS.row(values)
    rows.drafts.setdefault(row.draft_id, row)


def _take_submission(rows: Rows, values: list[Any]) -> None:
    row = SUBMISSIONS.row(values)
    rows.submissions.setdefault(row.submission_id, row)


def _take_waiting(rows: Rows, values: list[Any]) -> None:
    if (row := rows.submissions.get(values[0])) is not None:
        row.waiting = True


def _take_document(rows: Rows, values: list[Any]) -> None:
    row = DOCUMENTS.row(values)
    rows.documents.setdefault((row.kind, row.document_id), row)


def _take_document_count(rows: Rows, values: list[Any]) -> None:
    rows.document_counts[values[0]] = values[1]


def _take_sent(rows: Rows, values: list[Any]) -> None:
    if values[2] in STREAMS:
        rows.automatic.append(values[0])
    else:
        rows.sent.append((values[0], values[1]))


def _take_record(rows: Rows, values: list[Any]) -> None:
    rows.record.setdefault(SubmissionId(values[0]), Tally(*values[1:]))
