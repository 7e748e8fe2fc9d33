"""What was fetched or built: once, whole, verified."""

import stat
from pathlib import Path

import pytest

from scripts.stack_servers import tools
from scripts.stack_servers.cache import made
from scripts.stack_servers.folders import Folders
from scripts.stack_servers.server import Place, StackError


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place("small", Folders(tmp_path / "data", tmp_path / "cache"), {})
    place.folder.mkdir(parents=True)
    return place


class Maker:
    """Fills a folder and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, target: Path) -> None:
        self.calls += 1
        (target / "inner").mkdir()
        (target / "inner" / "file").write_bytes(b"content")


def test_what_was_made_is_not_made_again(place: Place) -> None:
    make = Maker()
    folder = made(place, "recipe", make)
    assert (folder / "inner" / "file").read_bytes() == b"content"
    assert made(place, "recipe", make) == folder
    assert make.calls == 1


def test_another_recipe_has_another_folder(place: Place) -> None:
    make = Maker()
    assert made(place, "one", make) != made(place, "two", make)
    assert make.calls == 2


@pytest.mark.parametrize("damage", ["changed", "taken", "added"])
def test_what_is_no_longer_as_it_was_is_made_again(place: Place, damage: str) -> None:
    make = Maker()
    folder = made(place, "recipe", make)
    if damage == "changed":
        (folder / "inner" / "file").write_bytes(b"other")
    elif damage == "taken":
        (folder / "inner" / "file").unlink()
    else:
        (folder / "more").write_bytes(b"")
    assert made(place, "recipe", make) == folder
    assert make.calls == 2
    assert [path.name for path in folder.rglob("*") if path.is_file()].count("file") == 1
    assert not (folder / "more").exists()


def test_a_making_that_fails_leaves_nothing(place: Place) -> None:
    def fail(target: Path) -> None:
        (target / "half").write_bytes(b"")
        raise StackError("no")

    with pytest.raises(StackError):
        made(place, "recipe", fail)
    assert [path.name for path in place.folders.cache.iterdir()] == ["small.lock"]


def test_who_gives_up_does_not_wait_for_another_who_makes_it(place: Place) -> None:
    def make(_target: Path) -> None:
        place.stop.set()
        with pytest.raises(StackError, match="given up"):
            made(place, "recipe", Maker())

    assert made(place, "recipe", make).is_dir()


def test_a_program_that_fails_is_told_with_its_log(place: Place) -> None:
    with pytest.raises(StackError, match="sh exited with 3") as failed:
        tools.run(["sh", "-c", "echo why; exit 3"], place)
    assert failed.value.log is not None
    assert failed.value.log.read_text() == "why\n"


def test_a_program_is_ended_with_all_it_started_when_the_caller_gives_up(place: Place) -> None:
    place.stop.set()
    pipe = place.folder / "pipe"
    tools.run(["mkfifo", pipe], place)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(StackError, match="given up"):
        tools.run(["sh", "-c", f"cat {pipe} & cat {pipe}"], place)


def test_a_program_that_is_missing_is_asked_for_in_one_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.folder))
    with pytest.raises(StackError, match="sudo apt-get install maven"):
        tools.require("mvn", debian="maven", place=place)
