"""Views that follow: whatever is lost, killed, repeated or late, each event is applied once and none is left out."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from domain.events import RecordedEvent
from domain.ids import MailboxId
from domain.rows import MessageRow
from domain.search_language import parse, resolve
from domain.search_matching import matches
from gateways.mime.parse import parse as parse_message
from gateways.mime.structure import ParsedMessage
from infra.blob_references import touch
from infra.contacts_view import ContactsView
from infra.followers import RETRY_PARKED_MS, Dispatcher, Follower, fan_out, lags, sweep
from infra.search_documents import document
from infra.search_view import SearchView, forget_lost_cursors
from infra.store import recorder
from infra.tantivy_search.live import open_live
from infra.wakes import Announcer, Listener, PostgresTeller, heads_in, payloads
from projections.contacts import correspondents
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.random_commands import START_MS, Clock, RandomCommands
from tests.system.writers import BLOB, delivery


class Noting:
    """A view that notes every event in a table whose key no event fits twice."""

    name = "noting"

    def __init__(self) -> None:
        self.fails: Callable[[MailboxId], None] = lambda _mailbox_id: None
        self.settles: Callable[[], None] = lambda: None

    def reached(self, mailbox_id: MailboxId, applied_seq: int) -> int:
        return applied_seq

    def apply(self, connection: Any, mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        for event in events:
            connection.execute("INSERT INTO noted VALUES (%s, %s)", (mailbox_id, event.seq))
        self.fails(mailbox_id)
        return events[-1].seq

    def settle(self) -> None:
        self.settles()


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE noted (mailbox_id text, seq bigint, PRIMARY KEY (mailbox_id, seq))")
        touch(connection, {BLOB: 1})
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def connection(given: GivenMailboxes) -> Iterator[psycopg.Connection]:
    with psycopg.connect(given.url, autocommit=True) as own:
        yield own


@pytest.fixture
def view() -> Noting:
    return Noting()


@pytest.fixture
def follower(given: GivenMailboxes, view: Noting) -> Follower:
    return Follower(given.url, given.reader, view)


def noted(connection: psycopg.Connection) -> dict[str, list[int]]:
    found = connection.execute("SELECT mailbox_id, array_agg(seq ORDER BY seq) FROM noted GROUP BY mailbox_id")
    return dict(found.fetchall())


def heads(connection: psycopg.Connection) -> dict[str, list[int]]:
    found = connection.execute("SELECT mailbox_id, head FROM mailboxes").fetchall()
    return {mailbox_id: list(range(1, head + 1)) for mailbox_id, head in found}


def follow(connection: psycopg.Connection, follower: Follower) -> None:
    """Until nothing is left to do."""
    while fan_out(connection, ["noting"]) + follower.step(connection):
        pass


def deliver(given: GivenMailboxes, mailbox_id: MailboxId, first: int, count: int) -> None:
    futures = [given.lane.submit(delivery(mailbox_id, f"d{n}")) for n in range(first, first + count)]
    for future in futures:
        future.result(20)


def open_three(given: GivenMailboxes) -> list[MailboxId]:
    return [given.open(f"a{n}@example.test") for n in range(3)]


def test_more_events_than_a_batch_are_applied_once_and_the_cursor_is_at_the_head(
    given: GivenMailboxes, connection: psycopg.Connection, view: Noting
) -> None:
    follower = Follower(given.url, given.reader, view, batch_events=7)
    for mailbox_id in open_three(given):
        deliver(given, mailbox_id, 0, 20)
    follow(connection, follower)
    assert noted(connection) == heads(connection)
    assert lags(connection) == {"noting": (0, 0)}
    assert connection.execute("SELECT count(*) FROM follower_wakes").fetchone() == (0,)


def test_repeated_late_and_too_early_wake_ups_apply_nothing_twice(
    given: GivenMailboxes, connection: psycopg.Connection, follower: Follower
) -> None:
    mailbox_id = open_three(given)[0]
    deliver(given, mailbox_id, 0, 5)
    follow(connection, follower)
    for head in (1, 3, 6, 6, 99):
        connection.execute("INSERT INTO wake VALUES (%s, %s)", (mailbox_id, head))
        connection.execute("INSERT INTO follower_wakes VALUES ('noting', %s, %s)", (mailbox_id, head))
    follow(connection, follower)
    deliver(given, mailbox_id, 5, 5)
    connection.execute("INSERT INTO wake VALUES (%s, %s)", (mailbox_id, 2))
    follow(connection, follower)
    assert noted(connection) == heads(connection)


def test_wake_ups_that_were_lost_are_made_up_for_by_the_sweep(
    given: GivenMailboxes, connection: psycopg.Connection, follower: Follower
) -> None:
    one, other, _ = open_three(given)
    follow(connection, follower)
    deliver(given, one, 0, 3)
    connection.execute("DELETE FROM wake")
    deliver(given, other, 0, 3)
    fan_out(connection, ["noting"])
    connection.execute("DELETE FROM follower_wakes WHERE mailbox_id = %s", (other,))
    assert follower.step(connection) == 0
    assert lags(connection) == {"noting": (6, 0)}
    assert sweep(connection, "noting", now_ms=0) == 2
    assert sweep(connection, "noting", now_ms=0) == 0
    follow(connection, follower)
    assert noted(connection) == heads(connection)


def test_a_crash_between_the_view_and_its_cursor_leaves_neither(
    given: GivenMailboxes, connection: psycopg.Connection, view: Noting, follower: Follower
) -> None:
    open_three(given)
    fan_out(connection, ["noting"])

    def crash() -> None:
        raise KeyboardInterrupt

    view.settles = crash
    with pytest.raises(KeyboardInterrupt):
        follower.step(connection)
    assert noted(connection) == {}
    view.settles = lambda: None
    follow(connection, follower)
    assert noted(connection) == heads(connection)


def test_a_mailbox_that_a_view_cannot_take_is_parked_while_the_others_go_on_and_is_taken_up_again(
    given: GivenMailboxes, connection: psycopg.Connection, view: Noting, follower: Follower
) -> None:
    bad, *others = open_three(given)

    def fail(mailbox_id: MailboxId) -> None:
        if mailbox_id == bad:
            raise ZeroDivisionError("cannot take this")

    view.fails = fail
    follow(connection, follower)
    deliver(given, others[0], 0, 4)
    follow(connection, follower)
    assert noted(connection) == {box: seqs for box, seqs in heads(connection).items() if box != bad}
    assert lags(connection) == {"noting": (1, 1)}
    query = "SELECT parked_error, parked_at FROM followers WHERE mailbox_id = %s"
    error, parked_at = connection.execute(query, (bad,)).fetchone() or ("", 0)
    assert "cannot take this" in error
    assert sweep(connection, "noting", now_ms=parked_at + RETRY_PARKED_MS) == 0
    assert sweep(connection, "noting", now_ms=parked_at + RETRY_PARKED_MS + 1) == 1
    view.fails = lambda _mailbox_id: None
    follow(connection, follower)
    assert noted(connection) == heads(connection)
    assert lags(connection) == {"noting": (0, 0)}
    assert connection.execute(query, (bad,)).fetchone() == (None, None)


def test_two_followers_side_by_side_apply_each_event_once_whatever_connection_is_killed(
    given: GivenMailboxes, connection: psycopg.Connection, view: Noting
) -> None:
    mailboxes, stop = open_three(given), threading.Event()
    followers = [Follower(given.url, given.reader, view, mailboxes=2) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(one.run, stop, poll_s=0.01, sweep_s=0.5) for one in followers]
        running.append(pool.submit(Dispatcher(given.url, ["noting"]).run, stop, poll_s=0.01))
        for wave in range(12):
            deliver(given, mailboxes[wave % 3], wave * 10, 10)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND (query ~ 'wake|noted|followers' OR query ~ 'SELECT e.originator_id')"
            )
        waiting = threading.Event()
        for _ in range(600):
            if noted(connection) == heads(connection):
                break
            waiting.wait(0.05)
        stop.set()
        for one in running:
            one.result(20)
    assert noted(connection) == heads(connection)
    assert lags(connection) == {"noting": (0, 0)}


def test_a_lost_connection_of_the_reader_parks_nothing(
    given: GivenMailboxes, connection: psycopg.Connection, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_three(given)
    fan_out(connection, ["noting"])
    monkeypatch.setattr(
        "infra.store.recorder.SELECT_AFTER",
        f"SELECT pg_terminate_backend(pg_backend_pid()), {recorder.SELECT_AFTER[7:]}",
    )
    with pytest.raises(psycopg.OperationalError):
        follower.step(connection)
    assert connection.execute("SELECT count(*) FROM followers WHERE parked_at IS NOT NULL").fetchone() == (0,)
    monkeypatch.undo()
    follow(connection, follower)
    assert noted(connection) == heads(connection)


def test_heads_are_announced_and_what_nobody_heard_is_asked_for_after_a_gap(
    given: GivenMailboxes, connection: psycopg.Connection
) -> None:
    heard: dict[str, int] = {}
    changed, gaps = threading.Condition(), []

    def hear(found: Sequence[tuple[MailboxId, int]]) -> None:
        with changed:
            heard.update(found)
            changed.notify_all()

    def gap() -> None:
        with changed:
            gaps.append(1)
            changed.notify_all()

    listener, announcer = Listener(given.url, hear, gap), Announcer(PostgresTeller(given.url))
    try:
        for number in range(1, 4):
            with changed:
                assert changed.wait_for(lambda wanted=number: len(gaps) == wanted, 10)
            announcer.announce([(MailboxId(f"m{number}"), number)])
            with changed:
                assert changed.wait_for(lambda wanted=number: heard.get(f"m{wanted}") == wanted, 10)
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"
            connection.execute(f"{query} AND datname = current_database()")
    finally:
        announcer.close()
        listener.close()


def test_announcements_are_cut_below_what_a_notification_may_hold() -> None:
    many = [(MailboxId(f"m{n:020d}"), n) for n in range(2000)]
    texts = payloads(many)
    assert max(map(len, texts)) < 8000
    assert [head for text in texts for head in heads_in(text)] == many


# -- the views themselves


def extract(blob: str) -> ParsedMessage:
    number = sum(map(ord, blob))
    words = ("alpha", "beta", "gamma", "café", "漢字かな", "engine")
    subject = f"{words[number % 6]} {words[number % 5]}"
    header = f"From: Bob {words[number % 4]} <bob{number % 3}@example.net>\r\nSubject: {subject}\r\n"
    raw = f"{header}\r\n{words[number % 3]} x{number % 7}\r\n"
    return parse_message(raw.encode())


QUERIES = (
    "alpha",
    "beta gamma",
    "gam*",
    "cafe",
    "漢字",
    "from:bob1@example.net",
    "is:unread",
    "is:starred",
    "x3 OR x4",
)
QUERIES += ("-alpha", "in:anywhere", "in:trash", "subject:engine", "has:attachment", "larger:1k", "alpha in:anywhere")


@pytest.fixture
def history(database_url: str, tmp_path: Path) -> Iterator[RandomCommands]:
    clock = Clock()
    with given_mailboxes(database_url, tmp_path, clock_ms=clock) as mailboxes:
        yield RandomCommands(mailboxes, clock, 7)


def assert_search_agrees(history: RandomCommands, index: Any) -> None:
    rows = history.state.rows()["messages"].values()
    live = [MessageRow(**row) for row in rows if row["destroyed_seq"] is None]
    documents = [document(history.mailbox_id, row, extract(row.blob)) for row in live]
    paths = {label["path"].casefold(): label["id"] for label in history.state.labels()}
    found_any = 0
    for text in QUERIES:
        query = resolve(parse(text, START_MS), paths)
        expected = {one.message_id for one in documents if matches(query, one)}
        hits = index.search(history.mailbox_id, query, limit=1000)
        assert set(hits.message_ids) == expected, text
        assert hits.as_of_seq == history.state.head
        found_any += len(expected)
    assert found_any > 20


def follow_search(history: RandomCommands, follower: Follower) -> None:
    with psycopg.connect(history.given.url, autocommit=True) as connection:
        while fan_out(connection, ["search"]) + follower.step(connection):
            pass


def test_search_agrees_with_the_fold_all_through_a_random_history(history: RandomCommands, tmp_path: Path) -> None:
    index = open_live(tmp_path / "index")
    follower = Follower(history.given.url, history.given.reader, SearchView(index, extract))
    for _ in range(3):
        history.run(80)
        follow_search(history, follower)
        assert_search_agrees(history, index)
    index.close()


def test_an_index_that_was_lost_is_filled_again(history: RandomCommands, tmp_path: Path) -> None:
    index = open_live(tmp_path / "index")
    history.run(150)
    follow_search(history, Follower(history.given.url, history.given.reader, SearchView(index, extract)))
    index.close()
    shutil.rmtree(tmp_path / "index")
    fresh = open_live(tmp_path / "index")
    follower = Follower(history.given.url, history.given.reader, SearchView(fresh, extract))
    with psycopg.connect(history.given.url, autocommit=True) as connection:
        assert sweep(connection, "search", now_ms=0) == 0
        assert forget_lost_cursors(connection, fresh) == 1
        assert sweep(connection, "search", now_ms=0) == 1
    follow_search(history, follower)
    assert_search_agrees(history, fresh)
    fresh.close()


def test_an_index_committed_before_a_crash_lost_its_cursor_is_fed_again_and_agrees(
    history: RandomCommands, tmp_path: Path
) -> None:
    index = open_live(tmp_path / "index")
    view = SearchView(index, extract)
    follower = Follower(history.given.url, history.given.reader, view)
    settle = view.settle

    def settle_and_crash() -> None:
        settle()
        raise KeyboardInterrupt

    for _ in range(3):
        history.run(50)
        view.settle = settle_and_crash  # type: ignore[method-assign]
        with psycopg.connect(history.given.url, autocommit=True) as connection:
            fan_out(connection, ["search"])
            with pytest.raises(KeyboardInterrupt):
                follower.step(connection)
        view.settle = settle  # type: ignore[method-assign]
        history.run(10)
        follow_search(history, follower)
        assert_search_agrees(history, index)
    index.close()


def test_correspondents_are_counted_once_however_the_events_are_cut_into_batches(history: RandomCommands) -> None:
    follower = Follower(history.given.url, history.given.reader, ContactsView(), batch_events=9)
    with psycopg.connect(history.given.url, autocommit=True) as connection:
        for _ in range(3):
            history.run(50)
            while fan_out(connection, ["contacts"]) + follower.step(connection):
                pass
        stored = connection.execute("SELECT address, sent, received, last_at FROM correspondents").fetchall()
    told = correspondents(history.given.reader.recorded(history.mailbox_id)).values()
    assert sorted(stored) == sorted((one.address, one.sent, one.received, one.last_at) for one in told)
    assert len(stored) > 2


def test_the_notes_of_these_tests_would_not_take_an_event_twice(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO noted VALUES ('m', 1)")
    with pytest.raises(UniqueViolation):
        connection.execute("INSERT INTO noted VALUES ('m', 1)")
