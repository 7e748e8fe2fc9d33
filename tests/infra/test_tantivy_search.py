"""The tantivy index: the contract, and what only a folder shared between processes can do to it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.tantivy_search.generations import (
    begin_generation,
    flip,
    generation_folder,
    generations,
    live_generation,
    remove_generation,
)
from infra.tantivy_search.index import SearchIndexIncompatibleError, SearchIndexLockedError, TantivyIndex
from infra.tantivy_search.live import LiveTantivyIndex, open_live
from projections.search import SearchTooBroadError, SearchUnavailableError
from tests.contracts.search_index import MINE, SearchIndexContract, document, feed, filled_index, found

__all__ = ["filled_index"]  # a fixture of the contract

ROOT = Path(__file__).resolve().parents[2]
FEED_AND_DIE = """
import os, sys
from pathlib import Path
from infra.tantivy_search.live import open_live
from projections.search import SearchTooBroadError, SearchUnavailableError
from tests.contracts.search_index import document, feed
feed(open_live(Path(sys.argv[1])), document(subject="alpha"), seq=4)
os.kill(os.getpid(), 9)
"""
FEED_WITH_NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from infra.tantivy_search.live import open_live
from projections.search import SearchUnavailableError
from tests.contracts.search_index import MINE, document, feed, found
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = open_live(Path(sys.argv[1]))
feed(index, document("m1", subject="alpha"), seq=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    feed(index, document("m2", subject="alpha"), seq=2)
except SearchUnavailableError:
    print("unavailable")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(found(index, "alpha"), index.cursor(MINE))
feed(index, document("m2", subject="alpha"), seq=2)
print(found(index, "alpha"), index.cursor(MINE))
"""
WRITE_UNTIL_TOLD = """
import sys
from pathlib import Path
from infra.tantivy_search.live import open_live
from projections.search import SearchTooBroadError, SearchUnavailableError
from tests.contracts.search_index import document, feed
index = open_live(Path(sys.argv[1]))
for number, line in enumerate(sys.stdin, 1):
    feed(index, document(f"m{number}", subject="alpha"), seq=number)
    print(number, flush=True)
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LiveTantivyIndex]:
    live = open_live(tmp_path / "search")
    yield live
    live.close()


@pytest.fixture(scope="class")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TantivyIndex]:
    one = TantivyIndex(tmp_path_factory.mktemp("search"))
    yield one
    one.close()


class TestTantivySearch(SearchIndexContract):
    """The contract of tests/contracts/search_index.py."""


def python(script: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_was_applied_outlives_a_killed_writer_and_its_lock_does_not(tmp_path: Path) -> None:
    process = python(FEED_AND_DIE, tmp_path)
    process.communicate()
    assert process.returncode == -9
    index = open_live(tmp_path)
    assert (found(index, "alpha"), index.cursor(MINE)) == (["m1"], 4)
    feed(index, document("m2", subject="alpha"), seq=5)
    assert found(index, "alpha") == ["m2", "m1"]
    index.close()


def test_a_reader_sees_the_commits_of_another_process_at_once(tmp_path: Path) -> None:
    reader = open_live(tmp_path)
    with python(WRITE_UNTIL_TOLD, tmp_path) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for number in (1, 2, 3):
            print("go", file=writer.stdin, flush=True)
            assert writer.stdout.readline() == f"{number}\n"
            assert (len(found(reader, "alpha")), reader.cursor(MINE)) == (number, number)
        writer.stdin.close()


def test_a_second_writer_is_told_who_is_in_the_way_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = TantivyIndex(tmp_path), TantivyIndex(tmp_path)
    feed(first, document(subject="alpha"))
    with pytest.raises(SearchIndexLockedError, match="another process writes the search index"):
        feed(second, document(subject="beta"))
    first.close()
    feed(second, document(subject="beta"))
    assert found(first, "beta") == ["m1"]
    second.close()


def test_a_batch_that_fails_leaves_nothing_behind_and_the_next_one_goes_in(index: LiveTantivyIndex) -> None:
    wrong = document("m2", subject="alpha", size="large")
    with pytest.raises((TypeError, ValueError)):
        index.apply([document("m1", subject="alpha"), wrong], [], {MINE: 1})
    with pytest.raises((TypeError, ValueError)):
        index.apply([document("m1", subject="alpha")], [], {MINE: "nine"})  # type: ignore[dict-item]
    assert (found(index, "alpha"), index.cursor(MINE)) == ([], 0)
    feed(index, document("m3", subject="alpha"))
    assert found(index, "alpha") == ["m3"]


def test_a_folder_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(SearchIndexIncompatibleError, match=str(tmp_path)):
        TantivyIndex(tmp_path)


def test_readers_and_the_writer_follow_a_flip(tmp_path: Path) -> None:
    reader, writer = open_live(tmp_path), open_live(tmp_path)
    feed(writer, document("old", subject="alpha"), seq=1)
    generation = begin_generation(tmp_path)
    rebuilt = TantivyIndex(generation_folder(tmp_path, generation))
    feed(rebuilt, document("new", subject="alpha"), seq=2)
    rebuilt.close()
    assert found(reader, "alpha") == ["old"]

    flip(tmp_path, generation)
    assert (found(reader, "alpha"), reader.cursor(MINE)) == (["new"], 2)
    feed(writer, document("newer", subject="alpha"), seq=3)
    assert sorted(found(reader, "alpha")) == ["new", "newer"]
    writer.close()


def test_a_rebuild_goes_beside_a_live_index_that_is_being_written(tmp_path: Path) -> None:
    live = open_live(tmp_path)
    feed(live, document("m1", subject="alpha"))
    rebuilt = TantivyIndex(generation_folder(tmp_path, begin_generation(tmp_path)))
    feed(rebuilt, document("m1", subject="alpha"))
    feed(live, document("m2", subject="alpha"))
    assert (len(found(live, "alpha")), len(found(rebuilt, "alpha"))) == (2, 1)
    rebuilt.close()
    live.close()


def test_an_old_generation_is_removed_and_the_live_one_is_not(tmp_path: Path) -> None:
    reader = open_live(tmp_path)
    generation = begin_generation(tmp_path)
    TantivyIndex(generation_folder(tmp_path, generation))
    flip(tmp_path, generation)
    remove_generation(tmp_path, 1)
    assert (generations(tmp_path), live_generation(tmp_path)) == ([generation], generation)
    assert found(reader, "alpha") == []
    with pytest.raises(ValueError, match="live"):
        remove_generation(tmp_path, generation)


def test_an_index_that_has_gone_is_unavailable_and_not_empty(tmp_path: Path) -> None:
    reader = open_live(tmp_path)
    generation = begin_generation(tmp_path)
    flip(tmp_path, generation)
    shutil.rmtree(generation_folder(tmp_path, generation))
    with pytest.raises(SearchUnavailableError, match="generation 2"):
        found(reader, "alpha")
    with pytest.raises(SearchUnavailableError):
        open_live(tmp_path)
    one = TantivyIndex(tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(SearchUnavailableError, match="cannot be read"):
        found(one, "alpha")


def test_a_full_disk_loses_nothing_that_was_applied_and_a_later_try_succeeds(tmp_path: Path) -> None:
    process = python(FEED_WITH_NO_ROOM, tmp_path)
    output, _ = process.communicate()
    assert (process.returncode, output) == (0, "unavailable\n['m1'] 1\n['m2', 'm1'] 2\n")


def test_only_a_generation_that_was_begun_can_go_live(tmp_path: Path) -> None:
    open_live(tmp_path)
    with pytest.raises(FileNotFoundError):
        flip(tmp_path, 7)
    assert live_generation(tmp_path) == 1


def test_no_text_of_a_message_is_stored_as_it_was(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    feed(index, document(subject="alpha beta", text="gamma delta"))
    index.close()
    assert not [path for path in tmp_path.iterdir() if b"gamma delta" in path.read_bytes()]


def test_a_prefix_of_very_many_words_is_found_alone_and_too_broad_in_a_phrase(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    feed(index, *(document(f"m{n}", text=" ".join(f"alpha b{n}x{i}" for i in range(5_000))) for n in range(8)))
    assert len(found(index, "b*")) == 8
    assert found(index, "alpha-b3*") == ["m3"]
    with pytest.raises(SearchTooBroadError):
        found(index, "alpha-b*")
    index.close()
