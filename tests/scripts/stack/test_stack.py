"""Bringing up and taking down: real processes of a small server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack_servers.folders import Folders, folders
from scripts.stack_servers.processes import end, identity, recorded, running
from scripts.stack_servers.stack import Stack
from tests.scripts.stack.small_server import SmallServer

ROOT = Path(__file__).resolve().parents[3]
MakeStack = Callable[..., Stack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeStack]:
    """Stacks of one data folder, whose servers are ended afterwards."""
    made: list[Stack] = []

    def make(*servers: SmallServer, **bounds: float) -> Stack:
        folders = Folders(tmp_path / "data", tmp_path / "cache")
        made.append(Stack(folders, servers, lambda _server, _what: None, **bounds))
        return made[-1]

    yield make
    for stack in made:
        stack.down([server.name for server in stack.servers])


def pid_of(stack: Stack, name: str) -> int | None:
    (server,) = (server for server in stack.servers if server.name == name)
    who = running(stack.place(server).record)
    return None if who is None else who.pid


def test_up_starts_what_is_named_and_returns_when_it_is_ready(make: MakeStack) -> None:
    stack = make(SmallServer("a"), SmallServer("b"), SmallServer("c"))
    assert stack.up(["a", "b"]) == {}
    assert all(server.is_ready(stack.place(server)) for server in stack.servers[:2])
    assert pid_of(stack, "c") is None


def test_up_again_starts_only_what_is_missing(make: MakeStack) -> None:
    stack = make(SmallServer("a"), SmallServer("b"))
    stack.up(["a"])
    before = pid_of(stack, "a")
    stack.up(["a", "b"])
    assert pid_of(stack, "a") == before
    assert pid_of(stack, "b") is not None
    assert [server.installed for server in stack.servers] == [1, 1]  # type: ignore[attr-defined]


def test_one_that_was_killed_is_started_again_at_its_port(make: MakeStack) -> None:
    stack = make(SmallServer("a"))
    stack.up(["a"])
    place = stack.place(stack.servers[0])
    ports, before = place.ports, running(place.record)
    assert before is not None
    assert end(before, ask_with=signal.SIGKILL, patience_s=20)
    assert stack.up(["a"]) == {}
    assert running(place.record) not in (before, None)
    assert stack.place(stack.servers[0]).ports == ports


def test_down_ends_what_is_named_and_nothing_else(make: MakeStack) -> None:
    stack = make(SmallServer("a"), SmallServer("b"))
    stack.up(["a", "b"])
    assert stack.down(["a"]) == []
    assert pid_of(stack, "a") is None
    assert pid_of(stack, "b") is not None
    assert stack.down(["a", "b"]) == []
    assert pid_of(stack, "b") is None


def test_down_signals_nobody_whom_a_record_of_before_a_reboot_names(make: MakeStack) -> None:
    stack = make(SmallServer("a"))
    record = stack.place(stack.servers[0]).record
    record.parent.mkdir(parents=True)
    myself = identity(os.getpid())
    assert myself is not None
    record.write_text(json.dumps({"boot": "another", "pid": myself.pid, "started": myself.started}))
    assert stack.down(["a"]) == []
    assert not record.exists()


def test_variables_are_those_of_servers_that_run(make: MakeStack) -> None:
    stack = make(SmallServer("a"), SmallServer("b"), SmallServer("c"))
    stack.up(["a", "b"])
    ports = [str(stack.place(server).ports["greeting"]) for server in stack.servers[:2]]
    assert stack.variables(["a", "b", "c"]) == {"SMALL_A": ports[0], "SMALL_B": ports[1]}
    assert stack.variables(["b"]) == {"SMALL_B": ports[1]}
    stack.down(["a"])
    assert stack.variables(["a", "b"]) == {"SMALL_B": ports[1]}


def test_a_server_that_fails_is_told_with_its_log_and_the_others_run(make: MakeStack) -> None:
    stack = make(SmallServer("a", "fails"), SmallServer("b"))
    failures = stack.up(["a", "b"])
    assert list(failures) == ["a"]
    log = failures["a"].log
    assert log is not None
    assert log.read_text().splitlines()[-1] == "cannot do it"
    assert pid_of(stack, "b") is not None


def test_a_server_is_known_before_it_runs(make: MakeStack) -> None:
    stack = make(SmallServer("a"))
    stack.up(["a"])
    assert stack.place(stack.servers[0]).log.read_text() == "known\n"


def test_who_gives_up_leaves_no_server_that_is_not_ready(make: MakeStack) -> None:
    stack = make(SmallServer("a", "mute"))
    stack.say("", "")
    giving_up = Stack(stack.folders, stack.servers, lambda _server, what: what == "starting" and giving_up.stop.set())
    assert str(giving_up.up(["a"])["a"]) == "given up"
    assert pid_of(stack, "a") is None


def test_a_stubborn_server_is_killed(make: MakeStack) -> None:
    stack = make(SmallServer("a", "stays"), patience_s=0.1)
    stack.up(["a"])
    assert stack.down(["a"]) == []
    assert pid_of(stack, "a") is None


KILLED = """
import os, signal, sys
from pathlib import Path
from scripts.stack_servers.folders import Folders
from scripts.stack_servers.stack import Stack
from tests.scripts.stack.small_server import SmallServer
def say(server, what):
    print(what, flush=True)
folder = Path(sys.argv[1])
Stack(Folders(folder / "data", folder / "cache"), [SmallServer("a", "mute")], say).up(["a"])
"""


def test_what_a_killed_up_had_begun_is_known_to_down(make: MakeStack, tmp_path: Path) -> None:
    stack = make(SmallServer("a", "mute"))
    record = stack.place(stack.servers[0]).record
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        while up.stdout.readline() != b"starting\n":
            pass
        while not record.exists():
            os.sched_yield()
        up.kill()
    who = recorded(record)
    assert who is not None
    assert identity(who.pid) == who
    assert stack.down(["a"]) == []
    assert identity(who.pid) != who


def test_folders_can_be_chosen_and_have_places_of_their_own_otherwise(tmp_path: Path) -> None:
    chosen = folders({"STACK_DATA": str(tmp_path / "d"), "STACK_CACHE": str(tmp_path / "c")})
    assert chosen == Folders(tmp_path / "d", tmp_path / "c")
    assert folders({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "ledgermail-stack"
    assert folders({}).data == ROOT / "var" / "stack"
