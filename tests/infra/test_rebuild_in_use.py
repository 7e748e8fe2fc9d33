"""Every view made again from the log while somebody writes, and readers that miss nothing meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from domain.decisions import CreateLabel, Modify
from domain.events import Who
from domain.ids import LabelId, MessageId
from domain.search_language import parse
from domain.search_query import Everything, Query
from infra.contacts_rebuild import rebuild_contacts, verify_contacts
from infra.contacts_view import ContactsView
from infra.direct_delivery import Arrival, DirectDelivery
from infra.extracts import Extracts
from infra.followers import Dispatcher, Follower
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.search_rebuild import rebuild_search, verify_search
from infra.search_view import SearchView
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.tantivy_search.generations import generations
from infra.tantivy_search.live import LiveTantivyIndex, open_live
from infra.tantivy_search.rebuilding import TantivyGenerations
from tests.post_office import PostOffice, post_office

INBOX = LabelId("INBOX")
MAIL = (
    b"From: Bob %d <bob%d@elsewhere.test>\r\nSubject: number %d\r\n"
    b"Message-ID: <%d@elsewhere.test>\r\n\r\nword%d here\r\n"
)


class Filled:
    """A post office whose mailboxes hold some mail."""

    def __init__(self, office: PostOffice) -> None:
        self.office = office
        self.store = datastore(office.url, pool_size=2)
        self.reader = StreamReader(MailboxRecorder(self.store), office.keys)
        self.direct = DirectDelivery(office.pool.connection, office.blobs, office.lane)
        self.extract = Extracts(office.pool.connection, office.blobs.read).extract
        self.mailbox_id = office.open_mailbox("m1")
        self.delivered = 0

    def deliver(self, count: int) -> list[MessageId]:
        numbers = range(self.delivered, self.delivered + count)
        self.delivered += count
        arrivals = [
            Arrival(
                content=MAIL % (n % 7, n % 7, n, n, n),
                command_id=f"a{n}",
                received_at=1_700_000_000_000 + n,
                labels=(INBOX,),
                source="inbound",
            )
            for n in numbers
        ]
        futures = self.direct.submit(self.mailbox_id, arrivals, Who())
        return [MessageId(future.result(30).answer["id"]) for future in futures]

    def close(self) -> None:
        self.direct.close()
        self.store.close()


@pytest.fixture
def filled(database_url: str, data_folder: Path) -> Iterator[Filled]:
    with post_office(database_url, data_folder) as office:
        made = Filled(office)
        yield made
        made.close()


@contextmanager
def writing(filled: Filled) -> Iterator[list[MessageId]]:
    """Somebody delivers, reads and labels without a pause."""
    stop, written = threading.Event(), list[MessageId]()

    def write() -> None:
        round_number = 0
        while not stop.is_set():
            ids = filled.deliver(5)
            round_number += 1
            filled.office.lane.run(
                Modify(
                    mailbox_id=filled.mailbox_id,
                    command_id=f"read{round_number}",
                    ids=tuple(ids[:3]),
                    add_keywords=("$seen",),
                )
            )
            filled.office.lane.run(
                CreateLabel(mailbox_id=filled.mailbox_id, command_id=f"l{round_number}", path=f"l{round_number}")
            )
            written.extend(ids)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()


def test_readers_see_every_message_at_every_moment_of_a_rebuild(filled: Filled) -> None:
    filled.deliver(300)
    fewest = 10**9
    done = threading.Event()
    live = (
        "SELECT count(*) FROM messages x JOIN mailboxes b USING (mailbox_id, generation)"
        " WHERE x.mailbox_id = 'm1' AND x.destroyed_seq IS NULL"
    )

    def read() -> None:
        nonlocal fewest
        with psycopg.connect(filled.office.url, autocommit=True) as connection:
            while not done.is_set():
                found = connection.execute(live).fetchone()
                assert found is not None
                fewest = min(fewest, found[0])

    reader = threading.Thread(target=read)
    with writing(filled):
        reader.start()
        for _again in range(3):
            rebuilt = rebuild_mailbox(filled.office.url, filled.reader, filled.mailbox_id)
            assert rebuilt.differences == ()
        done.set()
        reader.join()
    assert fewest >= 300
    assert verify_mailbox(filled.office.url, filled.reader, filled.mailbox_id) == []


@contextmanager
def following(filled: Filled, index: LiveTantivyIndex) -> Iterator[None]:
    """The followers and their dispatcher, as the service runs them."""
    stop = threading.Event()
    views = (SearchView(index, filled.extract), ContactsView())
    runs = [Follower(filled.office.url, filled.reader, view).run for view in views]
    threads = [threading.Thread(target=run, args=(stop,), kwargs={"poll_s": 0.005}) for run in runs]
    dispatcher = Dispatcher(filled.office.url, [view.name for view in views])
    threads.append(threading.Thread(target=dispatcher.run, args=(stop,), kwargs={"poll_s": 0.005}))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        index.close()


def caught_up(filled: Filled, index: LiveTantivyIndex) -> bool:
    heads = filled.office.rows("SELECT head FROM mailboxes WHERE mailbox_id = 'm1'")
    applied = filled.office.rows("SELECT applied_seq FROM followers WHERE mailbox_id = 'm1' AND view = 'contacts'")
    return heads == applied and index.cursor(filled.mailbox_id) == heads[0][0]


def wait_until_caught_up(filled: Filled, index: LiveTantivyIndex) -> None:
    deadline = time.monotonic() + 30
    while not caught_up(filled, index):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_search_and_contacts_are_rebuilt_under_running_followers(filled: Filled, data_folder: Path) -> None:
    filled.deliver(200)
    folder = data_folder / "search"
    made = TantivyGenerations(folder)
    index = open_live(folder)
    with following(filled, index), writing(filled):
        wait_until = time.monotonic() + 30
        while index.cursor(filled.mailbox_id) < 200 and time.monotonic() < wait_until:
            threading.Event().wait(0.01)
        for _again in range(3):
            found_before = index.search(filled.mailbox_id, Query(Everything())).total
            rebuilt = rebuild_search(filled.office.url, made, filled.reader, extract=filled.extract)
            assert index.search(filled.mailbox_id, Query(Everything())).total >= found_before
            with psycopg.connect(filled.office.url, autocommit=True) as connection:
                rebuild_contacts(connection, filled.reader, filled.mailbox_id)
        assert rebuilt.generation == 4
    with following(filled, index):
        wait_until_caught_up(filled, index)
        total = index.search(filled.mailbox_id, Query(Everything())).total
        assert total == filled.delivered
        with psycopg.connect(filled.office.url, autocommit=True) as connection:
            assert verify_search(connection, index, filled.mailbox_id) == []
            assert verify_contacts(connection, filled.reader, filled.mailbox_id) == []
        assert index.search(filled.mailbox_id, parse("word150", 0)).total == 1


def test_an_interrupted_rebuild_of_the_search_goes_on_in_the_same_generation(filled: Filled, data_folder: Path) -> None:
    filled.deliver(20)
    folder = data_folder / "search"
    made = TantivyGenerations(folder)
    open_live(folder).close()

    class InterruptedError_(Exception):
        pass

    def interrupt(_done: int, _all: int) -> None:
        raise InterruptedError_

    with pytest.raises(InterruptedError_):
        rebuild_search(filled.office.url, made, filled.reader, extract=filled.extract, progress=interrupt)
    assert generations(folder) == [1, 2]
    rebuilt = rebuild_search(filled.office.url, made, filled.reader, extract=filled.extract)
    assert (rebuilt.generation, rebuilt.old_removed, generations(folder)) == (2, True, [2])
    assert open_live(folder).search(filled.mailbox_id, Query(Everything())).total == 20


def test_verification_finds_what_was_altered(filled: Filled, data_folder: Path) -> None:
    first, *_ = filled.deliver(10)
    folder = data_folder / "search"
    made = TantivyGenerations(folder)
    rebuild_search(filled.office.url, made, filled.reader, extract=filled.extract)
    index = open_live(folder)
    with psycopg.connect(filled.office.url, autocommit=True) as connection:
        rebuild_contacts(connection, filled.reader, filled.mailbox_id)
        assert verify_contacts(connection, filled.reader, filled.mailbox_id) == []
        connection.execute("UPDATE correspondents SET received = received + 1 WHERE address = 'bob3@elsewhere.test'")
        (difference,) = verify_contacts(connection, filled.reader, filled.mailbox_id)
        assert "bob3@elsewhere.test" in difference
        index.apply((), [(filled.mailbox_id, first)], {})
        assert verify_search(connection, index, filled.mailbox_id) == [f"message {first} is not in the search index"]
        index.close()
        connection.execute("UPDATE messages SET size = size + 1 WHERE message_id = %s", (first,))
    assert verify_mailbox(filled.office.url, filled.reader, filled.mailbox_id)
