"""A search index made again from the rows in step: each message as it stands, whatever changes while it is made."""

from pathlib import Path

import psycopg
import pytest

from domain.search_query import Everything, Query
from infra.search_rebuild import rebuild_search, verify_search
from infra.tantivy_search.live import open_live
from infra.tantivy_search.rebuilding import TantivyGenerations
from tests.infra.test_followers import assert_search_agrees, extract, history
from tests.system.random_commands import RandomCommands

__all__ = ["history"]  # a fixture


class InterruptedHereError(Exception):
    """The rebuild was killed here."""


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.search_scan.ROWS_AT_ONCE", 12)
    monkeypatch.setattr("infra.search_scan.MESSAGES_AT_ONCE", 3)
    monkeypatch.setattr("infra.search_documents.STEP_BYTES", 4_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    open_live(tmp_path / "search").close()
    return tmp_path / "search"


def rebuild(history: RandomCommands, folder: Path, *, interrupted: bool = False) -> int:
    """The events passed."""

    def progress(_done: int, _all: int) -> None:
        if interrupted:
            raise InterruptedHereError

    given = history.given
    return rebuild_search(
        given.url, TantivyGenerations(folder), given.reader, extract=extract, progress=progress
    ).events


def test_an_index_agrees_with_the_fold_though_its_making_was_interrupted_and_messages_changed_meanwhile(
    history: RandomCommands, folder: Path
) -> None:
    for _ in range(4):
        history.run(50)
        with pytest.raises(InterruptedHereError):
            rebuild(history, folder, interrupted=True)
    rebuild(history, folder)
    index = open_live(folder)
    assert_search_agrees(history, index)
    with psycopg.connect(history.given.url) as connection:
        assert verify_search(connection, index, history.mailbox_id) == []
    index.close()


def test_a_message_that_many_events_changed_is_read_once(history: RandomCommands, folder: Path) -> None:
    history.run(200)
    read: list[str] = []

    def counted(blob: str) -> object:
        read.append(blob)
        return extract(blob)

    rebuild_search(history.given.url, TantivyGenerations(folder), history.given.reader, extract=counted)  # type: ignore[arg-type]
    with psycopg.connect(history.given.url) as connection:
        live = connection.execute("SELECT count(*) FROM messages WHERE destroyed_seq IS NULL").fetchone()
    assert (len(read),) == live


def test_what_the_rows_still_say_where_a_key_was_destroyed_is_not_found_again(
    history: RandomCommands, folder: Path
) -> None:
    history.run(60)
    head = history.state.head
    history.given.keys.destroy(history.mailbox_id)
    assert rebuild(history, folder) == head
    index = open_live(folder)
    assert index.cursor(history.mailbox_id) == head
    assert index.search(history.mailbox_id, Query(Everything(), anywhere=True)).total == 0
    index.close()
