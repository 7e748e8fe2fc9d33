"""What a query costs does not grow with the mailbox: the plans that really ran, with the rows that they really read.

auto_explain reports every statement as it was executed, those inside functions too, under the generic plans that the
service uses, in a mailbox of 20,000 messages beside others.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain import decisions as d
from domain.events import SubmissionRecipient
from domain.ids import MailboxId
from infra.blob_references import touch
from infra.file_keys import FileKeys
from infra.store.lane import Lane
from infra.store.recorder import MailboxRecorder, datastore
from infra.views.database import Database, reading_pool
from infra.views.mailbox_facts import MailboxFacts
from infra.views.mailbox_records import MailboxRecords
from infra.views.message_lists import MessageLists
from projections.page import Place, encode_cursor
from tests.domain.decided_mailbox import composed
from tests.system.writers import BLOB, delivery

BOX = MailboxId("m1")
MESSAGES = 20_000
EVENTS = 2 * MESSAGES
GROWING = {"messages", "memberships", "threads", "thread_references", "stored_events", "message_salts", "commands"}
NOW_MS = 1_795_000_000_000
EXPLAIN = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}

FILL = f"""
INSERT INTO mailboxes (mailbox_id, head, quota_bytes, used_bytes, messages)
    SELECT 'm' || n, {EVENTS}, 1e12, 1e9, {MESSAGES} FROM generate_series(1, 3000) n;
INSERT INTO messages SELECT box, 1, 'e' || lpad(n::text, 6, '0'), 'e' || lpad(n::text, 6, '0'), 't' || n % (many / 4),
    'emails/x.eml', 1000, n * 1000, n * 1000, ARRAY[CASE n % 2 WHEN 0 THEN 'INBOX' ELSE 'ARCHIVE' END], ARRAY[n],
    CASE n % 4 WHEN 0 THEN ARRAY[]::text[] WHEN 1 THEN ARRAY['$flagged', '$seen'] ELSE ARRAY['$seen'] END,
    false, '{{"from":[],"to":[],"cc":[],"subject":"x","snippet":"","date":null,"attachments":[]}}',
    n * 2, n * 2, n * 2, NULL, NULL
    FROM (VALUES ('m1', {MESSAGES}), ('m2', 4000), ('m3', 400)) AS boxes (box, many), generate_series(1, many) n;
INSERT INTO memberships SELECT mailbox_id, 1, labels[1], uids[1], message_id, listed_at, NOT '$seen' = ANY (keywords),
    '$flagged' = ANY (keywords), false, listed_at, changed_seq, changed_seq, NULL FROM messages;
INSERT INTO threads SELECT mailbox_id, 1, label, thread_id, count(*), count(*) FILTER (WHERE cardinality(keywords) = 0),
    max(listed_at), min(created_seq), max(changed_seq)
    FROM messages, unnest(labels || ''::text) label GROUP BY mailbox_id, label, thread_id;
INSERT INTO thread_references SELECT mailbox_id, 1, 'r' || message_id, thread_id, received_at FROM messages;
INSERT INTO labels SELECT mailbox_id, 1, label, label, NULL, lower(label), place, {MESSAGES} + 1, place, true,
    coalesce(c.total, 0), coalesce(c.unread, 0), coalesce(c.threads, 0), coalesce(c.threads_unread, 0),
    1e9, 1, 1, {EVENTS}, NULL
    FROM mailboxes,
        unnest(ARRAY['INBOX', 'ARCHIVE', 'SENT', 'DRAFTS', 'TRASH', 'SPAM']) WITH ORDINALITY l (label, place)
    LEFT JOIN (SELECT mailbox_id AS box, label_id, sum(total) AS total, sum(unread) AS unread, count(*) AS threads,
        count(*) FILTER (WHERE unread > 0) AS threads_unread FROM threads GROUP BY 1, 2) c ON label_id = label
    WHERE mailbox_id IN ('m1', 'm2', 'm3') AND (c.box IS NULL OR c.box = mailbox_id);
INSERT INTO stored_events SELECT 'm1', n, 'SignedIn', sha512(n::text::bytea), n, 'k', sha256(n::text::bytea)
    FROM generate_series(1, {EVENTS}) n;
INSERT INTO message_salts SELECT 'm1', 2 * n, 'e' || n, '\\x00' FROM generate_series(1, {MESSAGES}) n;
INSERT INTO commands SELECT 'm1', 'c' || n, '\\x00', n, n, '\\x00' FROM generate_series(1, {EVENTS}) n;
ANALYZE;
"""


class Plans:
    """Collects the plans of everything that runs on connections that report here."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def hear(self, notice: Any) -> None:
        _, _, plan = notice.message_primary.partition("plan:\n")
        if plan:
            self.found.append(msgspec.json.decode(plan))

    def nodes(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Every node that ran, and the statement it belongs to."""
        for explained in self.found:
            waiting = [explained["Plan"]]
            while waiting:
                node = waiting.pop()
                waiting += node.get("Plans", [])
                if node.get("Actual Loops", 0):
                    yield node, explained["Query Text"]

    def assert_cheap(self, most_rows: int) -> None:
        """No growing table was read whole or sorted, no node saw more rows than a page needs."""
        assert self.found
        for node, statement in self.nodes():
            kind, table = node["Node Type"], node.get("Relation Name")
            seen = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            shown = f"{kind} of {table} saw {seen} rows in: {statement[:600]}"
            assert not (kind == "Seq Scan" and table in GROWING), shown
            assert not (kind == "Bitmap Heap Scan" and seen > most_rows), shown
            assert seen <= most_rows, shown


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> str:
    """The URL under which every statement reports its plan."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(FILL)
        touch(connection, {BLOB: 1, "emails/draft@example.org.eml": 1, "attachments/aa": 1})
    options = quote(" ".join(f"-c {name}={value}" for name, value in EXPLAIN.items()), safe="")
    return f"{module_database_url}{'&' if '?' in module_database_url else '?'}options={options}"


@pytest.fixture(scope="module")
def reporting(filled: str) -> Iterator[tuple[Database, Plans]]:
    plans = Plans()
    with reading_pool(filled, max_size=1) as pool:
        _listen(pool, plans)
        yield Database(pool), plans


def _listen(pool: ConnectionPool[Any], plans: Plans) -> None:
    with pool.connection() as connection:
        connection.add_notice_handler(plans.hear)


def far(list_name: str, key: str = "e010000") -> str:
    """The cursor of a page in the middle."""
    return encode_cursor(Place(MESSAGES * 500, key, list_name))


READS: dict[str, Callable[[Database], Any]] = {
    "all mail": lambda db: MessageLists(db).messages(BOX),
    "all mail, far away": lambda db: MessageLists(db).messages(BOX, cursor=far("messages::None:None")),
    "all mail, unread": lambda db: MessageLists(db).messages(BOX, unread=True),
    "all mail, starred": lambda db: MessageLists(db).messages(BOX, starred=True),
    "label": lambda db: MessageLists(db).messages(BOX, label="INBOX"),
    "label, far away": lambda db: MessageLists(db).messages(BOX, label="INBOX", cursor=far("messages:INBOX:None:None")),
    "label, unread": lambda db: MessageLists(db).messages(BOX, label="INBOX", unread=True),
    "label, unread, far away": lambda db: MessageLists(db).messages(
        BOX, label="INBOX", unread=True, cursor=far("messages:INBOX:True:None")
    ),
    "label, starred": lambda db: MessageLists(db).messages(BOX, label="ARCHIVE", starred=True),
    "conversations": lambda db: MessageLists(db).threads(BOX),
    "conversations of a label": lambda db: MessageLists(db).threads(BOX, label="INBOX"),
    "conversations, far away": lambda db: MessageLists(db).threads(
        BOX, label="INBOX", cursor=far("threads:INBOX", "t2500")
    ),
    "one conversation": lambda db: MessageLists(db).thread(BOX, "t77"),
    "summaries of a search": lambda db: MessageLists(db).summaries(BOX, [f"e{n:06d}" for n in range(100, 5000, 100)]),
    "snapshot": lambda db: MessageLists(db).snapshot(BOX, cursor=None, limit=50),
    "snapshot, far away": lambda db: MessageLists(db).snapshot(
        BOX, cursor=encode_cursor(Place(EVENTS, "20000", "snapshot")), limit=50
    ),
    "head": lambda db: MailboxFacts(db).head(BOX),
    "labels": lambda db: MailboxFacts(db).labels(BOX),
    "counts": lambda db: MailboxFacts(db).counts(BOX),
    "profile": lambda db: MailboxFacts(db).documents(BOX, "profile"),
    "net changes, one behind": lambda db: MailboxFacts(db).net_changes(BOX, EVENTS - 2, limit=50),
    "net changes, far behind": lambda db: MailboxFacts(db).net_changes(BOX, 1000, limit=50),
    "one message": lambda db: MailboxRecords(db).message(BOX, "e000077"),
    "drafts": lambda db: MailboxRecords(db).drafts(BOX),
    "submissions": lambda db: MailboxRecords(db).submissions(BOX, cursor=None, limit=50),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_costs_its_page_and_no_more(read: Callable[[Database], Any], reporting: tuple[Database, Plans]) -> None:
    database, plans = reporting
    plans.found.clear()
    assert read(database) is not None
    plans.assert_cheap(most_rows=400)


@pytest.mark.parametrize("since", [0, 20_000, EVENTS - 1, EVENTS])
def test_a_page_of_sync_costs_its_page_and_no_more(filled: str, since: int) -> None:
    plans = Plans()
    store = datastore(filled, pool_size=1)
    with store.get_connection() as connection:
        connection.add_notice_handler(plans.hear)
        connection.execute(_explaining())
    rows, head, _ = MailboxRecorder(store).page(BOX, since, limit=100)
    assert (len(rows), head) == (min(100, EVENTS - since), EVENTS)
    assert len(MailboxRecorder(store).rows_after(BOX, since, limit=100)) == len(rows)
    store.close()
    plans.assert_cheap(most_rows=100)


def _explaining() -> str:
    settings = [f"SET {name} = '{value}'" for name, value in EXPLAIN.items() if name.startswith("auto_explain")]
    return "; ".join(["LOAD 'auto_explain'", *settings, "SET plan_cache_mode = force_generic_plan"])


@pytest.fixture(scope="module")
def writing(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lane, Plans]]:
    folder, plans = tmp_path_factory.mktemp("plans"), Plans()
    keys = FileKeys(folder / "keys", folder / "keys" / "master.key")
    keys.create(BOX)
    lane = Lane(filled, keys, clock_ms=lambda: NOW_MS)
    with psycopg.connect(filled) as connection:
        connection.execute("UPDATE mailboxes SET head = %s WHERE mailbox_id = %s", (EVENTS, BOX))
    lane.run(d.RecordPasswordChange(mailbox_id=BOX, command_id="first", by="owner"))
    assert lane._wire is not None
    lane._wire._connection.add_notice_handler(plans.hear)
    yield lane, plans
    lane.close()


def _refs(made: d.Deliver, *refs: str) -> d.Deliver:
    return msgspec.structs.replace(made, server=msgspec.structs.replace(made.server, refs=refs))


def _ids(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"e{n:06d}" for n in range(first, first + 2 * count, 2))


def _submit(command_id: str) -> d.SubmitNew:
    to = (SubmissionRecipient("bob@example.net"),)
    message = msgspec.structs.replace(composed(), server=msgspec.structs.replace(composed().server, blob=BLOB))
    times = {"send_at_ms": NOW_MS, "undo_until_ms": NOW_MS, "stream": "personal"}
    return d.SubmitNew(
        mailbox_id=BOX, command_id=command_id, message=message, mail_from="a@b.test", recipients=to, **times
    )


WRITES: dict[str, tuple[Any, int]] = {
    "delivery": (delivery(BOX, "w1"), 20),
    "delivery of a reply": (_refs(delivery(BOX, "w2"), "re000100", "re000102"), 60),
    "delivery that bridges": (_refs(delivery(BOX, "w3"), "re000200", "re000201", "re000207"), 200),
    "read one": (d.Modify(mailbox_id=BOX, command_id="w4", ids=_ids(400, 1), add_keywords=("work",)), 60),
    "read a hundred": (d.Modify(mailbox_id=BOX, command_id="w5", ids=_ids(600, 100), add_keywords=("work",)), 1300),
    "archive one": (d.Modify(mailbox_id=BOX, command_id="w6", ids=_ids(402, 1), remove_labels=("INBOX",)), 60),
    "archive a hundred": (
        d.Modify(mailbox_id=BOX, command_id="w7", ids=_ids(1000, 100), remove_labels=("INBOX",)),
        1300,
    ),
    "delete": (d.DeleteMessages(mailbox_id=BOX, command_id="w8", ids=_ids(404, 3)), 120),
    "snooze": (d.Snooze(mailbox_id=BOX, command_id="w9", ids=_ids(4000, 3), until_ms=NOW_MS + 5000), 120),
    "sending": (_submit("w10"), 60),
    "a new label": (d.CreateLabel(mailbox_id=BOX, command_id="w11", path="a/b"), 60),
}


@pytest.mark.parametrize(("command", "most_rows"), WRITES.values(), ids=WRITES)
def test_a_command_costs_what_it_touches_and_no_more(command: Any, most_rows: int, writing: tuple[Lane, Plans]) -> None:
    lane, plans = writing
    plans.found.clear()
    assert lane.run(command).seq > EVENTS
    plans.assert_cheap(most_rows)
