"""What a follower takes at once: a share of every mailbox in turn, a bounded heap of text, and no failure for good."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decisions import CreateLabel, Modify
from domain.events import RecordedEvent
from domain.ids import MailboxId, MessageId
from domain.stored_form import UnknownTopicError
from gateways.mime.parse import parse as parse_message
from gateways.mime.structure import ParsedMessage
from infra.blob_references import touch
from infra.followers import Follower, ViewUnavailableError, fan_out, sweep
from infra.search_rebuild import rebuild_search
from infra.search_view import SearchView
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.tantivy_search.live import open_live
from infra.tantivy_search.rebuilding import TantivyGenerations
from projections.search import MessageMarks, SearchDocument, SearchUnavailableError
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.writers import BLOB, delivery

TEXT = b"word " * 400


class Counting:
    """A view that counts the events of each mailbox."""

    name = "counting"

    def __init__(self) -> None:
        self.applied: Counter[MailboxId] = Counter()
        self.fails: Callable[[MailboxId], None] = lambda _mailbox_id: None
        self.settles: Callable[[], None] = lambda: None

    def reached(self, _mailbox_id: MailboxId, applied_seq: int) -> int:
        return applied_seq

    def apply(self, _connection: Any, mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        self.fails(mailbox_id)
        self.applied[mailbox_id] += len(events)
        return events[-1].seq

    def settle(self) -> None:
        self.settles()


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        touch(connection, {BLOB: 1})
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def connection(given: GivenMailboxes) -> Iterator[psycopg.Connection]:
    with psycopg.connect(given.url, autocommit=True) as own:
        yield own


@pytest.fixture
def view() -> Counting:
    return Counting()


def waking(connection: psycopg.Connection) -> Counter[str]:
    return Counter(found for (found,) in connection.execute("SELECT mailbox_id FROM follower_wakes").fetchall())


def fill(given: GivenMailboxes, mailbox_id: MailboxId, labels: int) -> None:
    commands = [CreateLabel(mailbox_id=mailbox_id, command_id=f"c{n}", path=f"l{n}") for n in range(labels)]
    for future in [given.lane.submit(command) for command in commands]:
        future.result(20)


def test_a_mailbox_with_a_long_backlog_and_many_wake_ups_keeps_nobody_waiting(
    given: GivenMailboxes, connection: psycopg.Connection, view: Counting
) -> None:
    first, last = sorted(given.open(f"a{n}@example.test") for n in range(2))
    fill(given, first, 40)
    fan_out(connection, ["counting"])
    connection.execute("INSERT INTO follower_wakes SELECT 'counting', %s, 1 FROM generate_series(1, 300)", (first,))
    follower = Follower(given.url, given.reader, view, mailboxes=1, batch_events=5)
    assert (follower.step(connection), waking(connection)) == (5, Counter({first: 1, last: 1}))
    assert (follower.step(connection), view.applied) == (1, Counter({first: 5, last: 1}))
    while follower.step(connection):
        pass
    assert (view.applied, waking(connection)) == (Counter({first: 41, last: 1}), Counter())


def test_mailboxes_that_a_newer_version_wrote_to_hold_nobody_up_and_are_asked_again_by_the_sweep(
    given: GivenMailboxes, connection: psycopg.Connection, view: Counting
) -> None:
    *newer, last = sorted(given.open(f"a{n}@example.test") for n in range(6))

    def fail(mailbox_id: MailboxId) -> None:
        if mailbox_id in newer:
            raise UnknownTopicError("MessagePainted")

    view.fails = fail
    fan_out(connection, ["counting"])
    follower = Follower(given.url, given.reader, view, mailboxes=2)
    while follower.step(connection):
        pass
    assert view.applied == Counter({last: 1})
    assert "MessagePainted" in (follower.not_ready or "")
    assert connection.execute("SELECT count(*) FROM followers WHERE parked_at IS NOT NULL").fetchone() == (0,)
    view.fails = lambda _mailbox_id: None
    assert sweep(connection, "counting", now_ms=0) == len(newer)
    while follower.step(connection):
        pass
    assert view.applied == Counter([*newer, last])


def test_a_mailbox_whose_cursor_somebody_holds_is_left_to_him(
    given: GivenMailboxes, connection: psycopg.Connection, view: Counting
) -> None:
    held, free = (given.open(f"a{n}@example.test") for n in range(2))
    fan_out(connection, ["counting"])
    follower = Follower(given.url, given.reader, view)
    with psycopg.connect(given.url) as other:
        other.execute("INSERT INTO followers (view, mailbox_id) VALUES ('counting', %s)", (held,))
        other.commit()
        other.execute("SELECT FROM followers FOR NO KEY UPDATE")
        follower.step(connection)
        assert (view.applied, waking(connection)) == (Counter({free: 1}), Counter({held: 1}))
    while held not in view.applied:
        follower.step(connection)
    assert waking(connection) == Counter()


@pytest.mark.parametrize("error", [ViewUnavailableError("its disk is full"), ValueError("of any kind")])
def test_a_view_that_cannot_settle_is_shown_and_tried_again(
    given: GivenMailboxes, connection: psycopg.Connection, view: Counting, error: Exception
) -> None:
    given.open()
    fan_out(connection, ["counting"])
    follower, stop = Follower(given.url, given.reader, view), threading.Event()
    shown: list[str | None] = []

    def settle() -> None:
        shown.append(follower.not_ready)
        if len(shown) == 1:
            raise error
        stop.set()

    view.settles = settle
    thread = threading.Thread(target=follower.run, args=(stop,), kwargs={"poll_s": 0.01})
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert connection.execute("SELECT applied_seq, parked_at FROM followers").fetchall() == [(1, None)]
    assert shown[0] is None
    assert str(error) in (shown[1] or "")
    assert follower.not_ready is None


def test_a_reader_whose_connections_are_all_lent_parks_nothing(
    given: GivenMailboxes, connection: psycopg.Connection, view: Counting
) -> None:
    given.open()
    fan_out(connection, ["counting"])
    with datastore(given.url, pool_size=1, max_overflow=0) as store:
        follower = Follower(given.url, StreamReader(MailboxRecorder(store), given.keys), view)
        with store.get_connection():
            store.pool.timeout = 0.1
            with pytest.raises(psycopg.OperationalError):
                follower.step(connection)
        assert connection.execute("SELECT count(*) FROM followers WHERE parked_at IS NOT NULL").fetchone() == (0,)
        assert (follower.step(connection), len(view.applied)) == (1, 1)


def follow(connection: psycopg.Connection, follower: Follower) -> None:
    """Until nothing is left to do."""
    while follower.step(connection):
        pass


class Heaps:
    """A search index that remembers how many documents it was given at a time, and which cursors with them."""

    def __init__(self) -> None:
        self.documents: dict[MessageId, SearchDocument] = {}
        self.sizes: list[int] = []
        self.cursors: dict[MailboxId, int] = {}
        self.without_cursor = 0

    def apply(
        self, upserts: Sequence[SearchDocument], deletes: Sequence[Any], cursors: Mapping[MailboxId, int]
    ) -> None:
        self.sizes.append(len(upserts))
        self.documents |= {one.message_id: one for one in upserts}
        self.without_cursor += not cursors
        self.cursors |= cursors

    def cursor(self, mailbox_id: MailboxId) -> int:
        return self.cursors.get(mailbox_id, 0)

    def relabel(self, marks: Sequence[MessageMarks]) -> Sequence[MessageMarks]:
        return marks


def extract(_blob: str) -> ParsedMessage:
    return parse_message(b"Subject: long\r\n\r\n" + TEXT)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So few documents may be gathered: what five of them hold, and the last portion."""
    monkeypatch.setattr("infra.search_view.MESSAGES_AT_ONCE", 4)
    monkeypatch.setattr("infra.search_documents.MESSAGES_AT_ONCE", 4)
    monkeypatch.setattr("infra.search_documents.STEP_BYTES", 5 * len(TEXT))
    return 8


def deliver(given: GivenMailboxes, mailbox_id: MailboxId, count: int) -> tuple[MessageId, ...]:
    futures = [given.lane.submit(delivery(mailbox_id, f"d{n}")) for n in range(count)]
    return tuple(MessageId(future.result(20).answer["id"]) for future in futures)


def test_a_step_of_the_search_holds_a_bounded_heap_of_text_however_much_is_behind(
    given: GivenMailboxes, connection: psycopg.Connection, few: int
) -> None:
    mailboxes = [given.open(f"a{n}@example.test") for n in range(3)]
    ids = [deliver(given, mailbox_id, 20) for mailbox_id in mailboxes]
    one_event = Modify(mailbox_id=mailboxes[0], command_id="all", ids=ids[0], add_keywords=("$seen",))
    given.lane.run(one_event)
    index = Heaps()
    follower = Follower(given.url, given.reader, SearchView(index, extract))  # type: ignore[arg-type]
    fan_out(connection, ["search"])
    while follower.step(connection):
        pass
    assert max(index.sizes) <= few
    assert index.without_cursor >= 2
    assert index.documents.keys() == {one for some in ids for one in some}
    assert all("$seen" in index.documents[one].keywords for one in ids[0])
    heads = dict(connection.execute("SELECT mailbox_id, head FROM mailboxes").fetchall())
    assert index.cursors == heads
    assert dict(connection.execute("SELECT mailbox_id, applied_seq FROM followers").fetchall()) == heads


@pytest.mark.usefixtures("few")
def test_a_cursor_never_outlives_the_documents_that_it_counts(
    given: GivenMailboxes, connection: psycopg.Connection
) -> None:
    mailbox_id = given.open()
    ids = deliver(given, mailbox_id, 20)
    given.lane.run(Modify(mailbox_id=mailbox_id, command_id="all", ids=ids, add_keywords=("$seen",)))

    class FullOnce(Heaps):
        def apply(self, upserts: Any, deletes: Any, cursors: Any) -> None:
            if not cursors and not self.without_cursor:
                self.without_cursor = 1
                raise SearchUnavailableError("its disk is full")
            super().apply(upserts, deletes, cursors)

    index = FullOnce()
    view = SearchView(index, extract)  # type: ignore[arg-type]
    follower = Follower(given.url, given.reader, view)
    fan_out(connection, ["search"])
    with pytest.raises(ViewUnavailableError):
        follow(connection, follower)
    reached = dict(index.cursors)
    view.settle()
    assert index.cursors == reached
    follow(connection, follower)
    assert all("$seen" in index.documents[one].keywords for one in ids)


@pytest.mark.usefixtures("few")
def test_a_rebuild_of_the_search_in_small_heaps_misses_nothing(given: GivenMailboxes, tmp_path: Path) -> None:
    mailbox_id = given.open()
    deliver(given, mailbox_id, 30)
    rebuilt = rebuild_search(given.url, TantivyGenerations(tmp_path / "search"), given.reader, extract=extract)
    index = open_live(tmp_path / "search")
    assert (rebuilt.events, index.cursor(mailbox_id)) == (31, 31)
    index.close()
