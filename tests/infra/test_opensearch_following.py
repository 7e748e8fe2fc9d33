"""OpenSearch fed from the log: it agrees with the fold, however many feed it and while it is made again."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psycopg
import pytest

from domain.decisions import Modify
from domain.ids import LabelId, MailboxId, MessageId
from domain.search_language import parse
from domain.search_query import Everything, Query
from gateways.mime.parse import parse as parse_message
from gateways.mime.structure import ParsedMessage
from infra.blob_references import touch
from infra.followers import Follower, fan_out, sweep
from infra.opensearch_search.generations import OpenSearchGenerations
from infra.opensearch_search.live import LiveOpenSearch
from infra.opensearch_search.server import OpenSearchServer
from infra.search_rebuild import SearchRebuildUnderWayError, rebuild_search, verify_search
from infra.search_view import SearchView, forget_lost_cursors
from tests.counted_server import counted_way
from tests.infra.test_followers import assert_search_agrees, extract, follow_search, history
from tests.infra.test_rebuild_in_use import Filled, filled, following, wait_until_caught_up, writing
from tests.servers import fresh_search, opensearch_server
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.random_commands import RandomCommands
from tests.system.writers import BLOB, delivery

__all__ = ["filled", "history"]  # fixtures

pytestmark = pytest.mark.servers
ALL = Query(Everything(), anywhere=True)


@pytest.fixture
def generations() -> Iterator[OpenSearchGenerations]:
    with fresh_search() as made:
        yield made


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        touch(connection, {BLOB: 1})
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def index(generations: OpenSearchGenerations) -> Iterator[LiveOpenSearch]:
    opened = LiveOpenSearch(opensearch_server().client(), generations)
    yield opened
    opened.close()


def follow_all(given: GivenMailboxes, view: SearchView) -> None:
    with psycopg.connect(given.url, autocommit=True) as connection:
        follower = Follower(given.url, given.reader, view)
        while fan_out(connection, ["search"]) + follower.step(connection):
            pass


def deliver(given: GivenMailboxes, mailbox_id: MailboxId, count: int) -> tuple[MessageId, ...]:
    futures = [given.lane.submit(delivery(mailbox_id, f"d{n}")) for n in range(count)]
    return tuple(MessageId(future.result(60).answer["id"]) for future in futures)


def test_search_agrees_with_the_fold_all_through_a_random_history(
    history: RandomCommands, index: LiveOpenSearch
) -> None:
    follower = Follower(history.given.url, history.given.reader, SearchView(index, extract))
    for _ in range(4):
        history.run(80)
        follow_search(history, follower)
        assert_search_agrees(history, index)
    with psycopg.connect(history.given.url) as connection:
        assert verify_search(connection, index, history.mailbox_id) == []


def test_events_that_come_twice_and_too_late_change_nothing(history: RandomCommands, index: LiveOpenSearch) -> None:
    follower = Follower(history.given.url, history.given.reader, SearchView(index, extract))
    for _ in range(2):
        history.run(80)
        follow_search(history, follower)
        with psycopg.connect(history.given.url, autocommit=True) as connection:
            connection.execute("UPDATE followers SET applied_seq = applied_seq / 3")
        late = LiveOpenSearch(opensearch_server().client(), index._generations)
        late.cursor = lambda _mailbox_id: 0  # type: ignore[method-assign]  # whatever the index has had, it comes again
        follow_search(history, Follower(history.given.url, history.given.reader, SearchView(late, extract)))
        assert_search_agrees(history, index)


def test_an_index_that_was_lost_is_filled_again(
    history: RandomCommands, index: LiveOpenSearch, generations: OpenSearchGenerations
) -> None:
    follower = Follower(history.given.url, history.given.reader, SearchView(index, extract))
    history.run(150)
    follow_search(history, follower)
    before = index.identity()
    opensearch_server().client().indices.delete(index=generations.name(1))
    assert index.identity() != before
    with psycopg.connect(history.given.url, autocommit=True) as connection:
        assert forget_lost_cursors(connection, index) == 1
        assert sweep(connection, "search", now_ms=0) == 1
    follow_search(history, follower)
    assert_search_agrees(history, index)


def test_a_thousand_relabelled_messages_parse_no_mime_and_move_none_of_what_they_say(
    given: GivenMailboxes,
) -> None:
    chance = random.Random(7)
    server = urlsplit(opensearch_server().urls[0])
    words = [f"{chance.getrandbits(40):x}" for _ in range(20_000)]

    def once(blob: str) -> ParsedMessage:
        return parse_message(b"Subject: alpha\r\n\r\n" + " ".join(chance.choices(words, k=300)).encode())

    def never(_blob: str) -> NoReturn:
        raise AssertionError("it was read again")

    with ExitStack() as closing:
        way = closing.enter_context(counted_way(str(server.hostname), int(server.port or 0)))
        counted = OpenSearchServer(urls=(f"http://127.0.0.1:{way.port}",))
        index = LiveOpenSearch(counted.client(), closing.enter_context(fresh_search(counted)))
        mailbox_id = given.open()
        ids = deliver(given, mailbox_id, 1_000)
        follow_all(given, SearchView(index, once))
        whole_bytes = way.sent_bytes()
        given.lane.run(
            Modify(
                mailbox_id=mailbox_id,
                command_id="all",
                ids=ids,
                add_labels=(LabelId("ARCHIVE"),),
                remove_labels=(LabelId("INBOX"),),
                add_keywords=("$flagged",),
            )
        )
        follow_all(given, SearchView(index, never))
        changed_bytes = way.sent_bytes()
        assert index.search(mailbox_id, parse("alpha is:starred -in:inbox in:archive", 0)).total == 1_000
        index.close()
    assert whole_bytes > 1_000 * 300 * 5
    assert changed_bytes < 1_000 * 60


def test_two_that_follow_finish_one_backlog_and_nothing_is_lost_or_doubled(
    given: GivenMailboxes, generations: OpenSearchGenerations
) -> None:
    mailboxes = [given.open(f"a{n}@example.test") for n in range(12)]
    for mailbox_id in mailboxes:
        ids = deliver(given, mailbox_id, 30)
        given.lane.run(Modify(mailbox_id=mailbox_id, command_id="some", ids=ids[:9], add_keywords=("$flagged",)))
    ended: list[Any] = []

    def run() -> None:
        own = LiveOpenSearch(opensearch_server().client(), generations)
        follow_all(given, SearchView(own, extract))
        ended.append(own)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 2
    index = ended[0]
    follow_all(given, SearchView(index, extract))
    with psycopg.connect(given.url) as connection:
        for mailbox_id in mailboxes:
            assert verify_search(connection, index, mailbox_id) == []
            assert index.search(mailbox_id, ALL).total == 30
            assert index.search(mailbox_id, parse("is:starred in:anywhere", 0)).total == 9


def test_a_rebuild_under_running_followers_never_lacks_what_was_there(
    filled: Filled, generations: OpenSearchGenerations
) -> None:
    def opened() -> LiveOpenSearch:
        return LiveOpenSearch(opensearch_server().client(), generations)

    generations.ensure_live()
    filled.deliver(200)
    reading, done, fewest = opened(), threading.Event(), [10**9]
    with following(filled, opened()):  # type: ignore[arg-type]
        while reading.cursor(filled.mailbox_id) < 200:
            threading.Event().wait(0.05)

    def read() -> None:
        while not done.is_set():
            fewest.append(reading.search(filled.mailbox_id, Query(Everything())).total)

    reader = threading.Thread(target=read)
    with following(filled, opened()), writing(filled):  # type: ignore[arg-type]
        reader.start()
        for _again in range(3):
            rebuilt = rebuild_search(filled.office.url, generations, filled.reader, extract=filled.extract)
        done.set()
        reader.join()
    assert (rebuilt.generation, rebuilt.old_removed, generations.live()) == (4, True, 4)
    assert (min(fewest) >= 200, len(fewest) > 10) == (True, True)
    index = opened()
    with following(filled, index):  # type: ignore[arg-type]
        wait_until_caught_up(filled, opened())  # type: ignore[arg-type]
    with psycopg.connect(filled.office.url, autocommit=True) as connection:
        assert verify_search(connection, reading, filled.mailbox_id) == []
    assert reading.search(filled.mailbox_id, Query(Everything())).total == filled.delivered
    assert reading.search(filled.mailbox_id, parse("word150", 0)).total == 1


def test_one_rebuild_at_a_time(history: RandomCommands, generations: OpenSearchGenerations) -> None:
    history.run(40)
    given = history.given

    def second(_done: int, _all: int) -> None:
        with pytest.raises(SearchRebuildUnderWayError):
            rebuild_search(given.url, generations, given.reader, extract=extract)

    assert rebuild_search(given.url, generations, given.reader, extract=extract, progress=second).events > 0


def test_a_rebuild_that_was_interrupted_goes_on_and_agrees(
    history: RandomCommands, generations: OpenSearchGenerations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.search_scan.ROWS_AT_ONCE", 12)
    monkeypatch.setattr("infra.search_documents.STEP_BYTES", 4_000)
    given = history.given

    class InterruptedHereError(Exception):
        pass

    def interrupt(_done: int, _all: int) -> None:
        raise InterruptedHereError

    for _ in range(3):
        history.run(50)
        with pytest.raises(InterruptedHereError):
            rebuild_search(given.url, generations, given.reader, extract=extract, progress=interrupt)
    rebuilt = rebuild_search(given.url, generations, given.reader, extract=extract)
    index = LiveOpenSearch(opensearch_server().client(), generations)
    assert rebuilt.generation == 1
    assert_search_agrees(history, index)
    index.close()
