"""OpenSearch killed, stopped and away at the start: mail goes on, search says so, and it catches up by itself."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from infra.composition import Parts
from infra.opensearch_search.server import OpenSearchServer, require
from infra.operator_errors import OperatorError
from infra.search_rebuild import verify_search
from infra.serving.following import follow
from infra.settings import load
from tests.http_house import House, Person, mail, running
from tests.servers import OwnServer, own_opensearch

pytestmark = pytest.mark.servers
PATIENCE_S = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with own_opensearch(tmp_path_factory.mktemp("opensearch")) as own:
        yield own


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.opensearch_search.index.SEARCH_S", 2.0)
    monkeypatch.setattr("infra.opensearch_search.live.CHECK_S", 1.0)
    monkeypatch.setattr("infra.serving.following.LOOK_S", 0.5)
    for module in ("bulk", "index", "generations"):
        monkeypatch.setattr(f"infra.opensearch_search.{module}.WRITE_S", 5.0)


@pytest.fixture
def house(database_url: str, data_folder: Path, server: OwnServer) -> Iterator[House]:
    with running(database_url, data_folder, **server.variables) as found:
        yield found


@pytest.fixture
def ann(house: House) -> Person:
    return house.person("ann")


@contextmanager
def following(parts: Parts, *, processes: int = 1) -> Iterator[None]:
    """The role of the service, in threads of as many processes."""
    stop = threading.Event()
    threads = [threading.Thread(target=follow, args=(parts, stop, lambda _address: None)) for _ in range(processes)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)


def total(person: Person, q: str) -> int:
    """-1 while search does not answer."""
    answer = person.http.get("/v1/search", params={"q": q})
    return int(answer.json()["total"]) if answer.status_code == 200 else -1


def applied(house: House, person: Person, view: str) -> int:
    with psycopg.connect(house.parts.conninfo) as connection:
        query = "SELECT coalesce(max(applied_seq), 0) FROM followers WHERE view = %s AND mailbox_id = %s"
        found = connection.execute(query, (view, person.mailbox_id)).fetchone()
    return 0 if found is None else int(found[0])


def assert_search_agrees(house: House, person: Person) -> None:
    with psycopg.connect(house.parts.conninfo) as connection, Parts(house.parts.settings) as parts:
        index = parts.search.live(parts._closing)
        assert verify_search(connection, index, person.mailbox_id) == []
        assert index.cursor(person.mailbox_id) == person.head()


def assert_search_says_so_and_mail_goes_on(house: House, person: Person) -> None:
    answer = person.http.get("/v1/search", params={"q": "lunch"})
    assert (answer.status_code, answer.json()["code"]) == (503, "search_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    person.bring(mail("Lunch without it"))
    assert person.get("/v1/messages")["messages"][0]["subject"] == "Lunch without it"
    ready = house.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "search" in ready.json()["failing"]


def test_killed_it_is_waited_for_and_finds_all_that_came_meanwhile(
    house: House, ann: Person, server: OwnServer
) -> None:
    with following(house.parts):
        ann.bring(mail("Lunch"))
        wait_until(lambda: total(ann, "lunch") == 1)
        server.kill()
        assert_search_says_so_and_mail_goes_on(house, ann)
        server.start()
        wait_until(lambda: total(ann, "lunch") == 2)
        wait_until(lambda: house.http.get("/readyz").json() == {"status": "ready", "failing": []})
        assert_search_agrees(house, ann)


def test_stopped_it_holds_up_nobody_and_finds_all_that_came_meanwhile(
    house: House, ann: Person, server: OwnServer
) -> None:
    with following(house.parts):
        ann.bring(mail("Lunch"))
        wait_until(lambda: total(ann, "lunch") == 1)
        server.signal(signal.SIGSTOP)
        try:
            assert_search_says_so_and_mail_goes_on(house, ann)
            askers = [threading.Thread(target=total, args=(ann, "lunch")) for _ in range(30)]
            for asker in askers:
                asker.start()
            assert len(ann.get("/v1/messages")["messages"]) == 2
            for asker in askers:
                asker.join()
        finally:
            server.signal(signal.SIGCONT)
        wait_until(lambda: total(ann, "lunch") == 2)
        assert_search_agrees(house, ann)


@pytest.mark.timeout(600)
def test_killed_again_and_again_under_two_that_follow_nothing_is_lost_or_doubled(
    house: House, ann: Person, server: OwnServer
) -> None:
    brought: list[str] = []

    def bring() -> None:
        while len(brought) < 40:
            brought.append(ann.bring(mail(f"Lunch {len(brought)}")))
            ann.post("/v1/messages/modify", {"ids": brought[-3:], "add_keywords": ["$flagged"]})

    writer = threading.Thread(target=bring)
    with following(house.parts, processes=2):
        writer.start()
        for least in (5, 20):
            wait_until(lambda least=least: len(brought) > least and total(ann, "lunch") > least)  # type: ignore[misc]
            server.kill()
            server.start()
        writer.join()
        wait_until(lambda: total(ann, "lunch is:starred") == len(brought))
        assert_search_agrees(house, ann)


def test_a_start_without_it_waits_for_it_and_follows_all_else(
    database_url: str, data_folder: Path, server: OwnServer
) -> None:
    variables = server.variables
    server.stop()
    try:
        with running(database_url, data_folder, **variables) as house, following(house.parts):
            ann = house.person("ann")
            ann.bring(mail("Lunch"))
            wait_until(lambda: applied(house, ann, "contacts") == ann.head())
            assert total(ann, "lunch") == -1
            server.start()
            wait_until(lambda: total(ann, "lunch") == 1)
    finally:
        server.start()


def test_an_index_that_is_lost_while_all_runs_is_made_and_filled_again(
    house: House, ann: Person, server: OwnServer
) -> None:
    with following(house.parts):
        ann.bring(mail("Lunch"))
        wait_until(lambda: total(ann, "lunch") == 1)
        generations = house.parts.search.generations()
        generations._remove([1])  # type: ignore[attr-defined]
        wait_until(lambda: total(ann, "lunch") == 1)
        assert_search_agrees(house, ann)


@contextmanager
def closed_door() -> Iterator[str]:
    """A server that takes nobody, as OpenSearch says so."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as door:
        thread = threading.Thread(target=door.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{door.server_address[1]}"
        door.shutdown()
        thread.join()


def test_a_restored_database_begins_another_index(
    database_url: str, data_folder: Path, server: OwnServer, house: House
) -> None:
    names = {house.parts.search.generations().alias}  # type: ignore[attr-defined]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE search_epoch SET epoch = 'another'")
    with Parts(
        load({"LEDGERMAIL_DATA": str(data_folder), "LEDGERMAIL_DATABASE_URL": database_url, **server.variables})
    ) as p:
        names.add(p.search.generations().alias)  # type: ignore[attr-defined]
    assert len(names) == 2


def test_a_certificate_that_nobody_trusts_stops_the_start_with_one_line() -> None:
    with closed_door() as url:
        client = OpenSearchServer(urls=(url.replace("http:", "https:"),)).client()
        with pytest.raises(OperatorError, match=r"^OpenSearch has no certificate that we may trust: [^\n]+$"):
            require(client)


def test_a_user_that_it_does_not_take_stops_the_start_with_one_line(database_url: str, data_folder: Path) -> None:
    with closed_door() as url:
        environ = {
            "LEDGERMAIL_DATA": str(data_folder),
            "LEDGERMAIL_DATABASE_URL": database_url,
            "LEDGERMAIL_SEARCH": "opensearch",
            "LEDGERMAIL_OPENSEARCH": url,
            "LEDGERMAIL_OPENSEARCH_USER": "ann",
            "LEDGERMAIL_OPENSEARCH_PASSWORD": "wrong",
        }
        with Parts(load(environ)) as parts, pytest.raises(OperatorError, match=r"^OpenSearch is closed [^\n]*401$"):
            parts.search.live(parts._closing)
