"""Telling of heads by datagrams on one machine."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from domain.ids import MailboxId
from infra.accounts.ended_sessions import CHANNEL
from infra.accounts.endings import Endings
from infra.local_wakes import LocalListener, LocalTeller
from infra.wakes import Announcer, Heads
from tests.contracts.wakes import Ears, OpenAnnouncer, OpenListener, WakesContract, listening


class Nothing:
    """Nothing must be caught up with."""

    def catch_up(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    long = tmp_path / ("a-long-name" * 12) / "wakes"
    long.parent.mkdir()
    return long


@pytest.fixture
def open_listener(folder: Path) -> OpenListener:
    return lambda hear, gap: closing(LocalListener(folder, hear, gap, before=Nothing()))


@pytest.fixture
def ears(open_listener: OpenListener) -> Iterator[Ears]:
    with listening(open_listener) as found:
        yield found


class TestDatagrams(WakesContract):
    @pytest.fixture
    def open_announcer(self, folder: Path) -> OpenAnnouncer:
        return lambda: closing(Announcer(LocalTeller(folder)))

    @pytest.fixture
    def open_listener(self, open_listener: OpenListener) -> OpenListener:
        return open_listener


def test_where_nobody_listens_nobody_is_said_to_have_been_told(folder: Path) -> None:
    assert not LocalTeller(folder).tell(["m1:1"])
    folder.mkdir()
    assert not LocalTeller(folder).tell(["m1:1"])


@pytest.mark.usefixtures("ears")
def test_what_a_killed_process_left_is_removed_and_hinders_nobody(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(_short(folder, "heads-left.socket"))
    assert LocalTeller(folder).tell(["m1:1"])
    assert not (folder / "heads-left.socket").exists()


def test_one_who_cannot_take_more_makes_the_teller_say_so(folder: Path, ears: Ears) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(_short(folder, "heads-deaf.socket"))
        teller = LocalTeller(folder)
        told = [teller.tell([f"m1:{head}"]) for head in range(1, 5000)]
    assert told[0]
    assert not told[-1]
    ears.wait_for(lambda one: "m1" in one.heads)


def test_sessions_that_ended_before_a_head_was_told_are_known_when_it_is_heard(folder: Path, database_url: str) -> None:
    heard: list[str] = []
    endings = Endings(database_url, lambda account: heard.append(f"ended {account}"), lambda: None)
    ears = Ears()

    def hear(heads: Heads) -> None:
        heard.append(str(heads[0][0]))
        ears.hear(heads)

    with closing(LocalListener(folder, hear, ears.gap, before=endings)):
        ears.wait_for(lambda one: one.gaps > 0)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_notify(%s, 'u1')", (CHANNEL,))
        assert LocalTeller(folder).tell(["m1:1"])
        ears.wait_for(lambda one: one.heads == {MailboxId("m1"): 1})
    assert heard == ["ended u1", "m1"]


def _short(folder: Path, name: str) -> str:
    """A path to it that a socket can bear; the folder stays open until the test ends."""
    return f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/{name}"
