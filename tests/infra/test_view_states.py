"""How the views that follow stand, as their processes say it and others read it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from infra.view_states import Telling, ViewNotKeptError, ViewState, require_kept, view_states

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


class Follower:
    def __init__(self, not_ready: str | None = None) -> None:
        self.not_ready = not_ready


@pytest.fixture
def connect(database_url: str) -> Connect:
    @contextmanager
    def connected() -> Iterator[Connection[Any]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            yield connection

    return connected


def test_a_view_that_nobody_keeps_is_named_as_such(connect: Connect) -> None:
    with pytest.raises(ViewNotKeptError, match="no process follows for search"):
        require_kept(connect, "search")


def test_a_follower_that_waits_says_why_in_every_other_process(connect: Connect) -> None:
    search = Follower("search waits: the disk is full")
    telling = Telling(connect, "f1", {"search": search, "contacts": Follower()})
    telling.tell()
    require_kept(connect, "contacts")
    with pytest.raises(ViewNotKeptError, match="the disk is full"):
        require_kept(connect, "search")
    search.not_ready = None
    telling.tell()
    require_kept(connect, "search")


def test_one_that_waits_behind_one_that_is_ready_is_as_it_should_be(connect: Connect) -> None:
    Telling(connect, "f1", {"search": Follower()}).tell()
    Telling(connect, "f2", {"search": Follower("another process writes the index")}).tell()
    require_kept(connect, "search")
    with connect() as connection:
        assert view_states(connection) == {"search": ViewState(1, 1, "another process writes the index")}


def test_who_was_killed_is_forgotten_after_half_a_minute(connect: Connect) -> None:
    Telling(connect, "f1", {"search": Follower()}).tell()
    with connect() as connection:
        connection.execute("UPDATE view_states SET told_at = told_at - interval '31 seconds'")
    with pytest.raises(ViewNotKeptError):
        require_kept(connect, "search")


def test_who_stops_takes_back_what_was_said(connect: Connect) -> None:
    stop = threading.Event()
    telling = Telling(connect, "f1", {"search": Follower()})
    running = threading.Thread(target=telling.run, args=(stop,))
    running.start()
    patient = threading.Event()
    with connect() as connection:
        while not view_states(connection):
            patient.wait(0.01)
        stop.set()
        running.join()
        assert view_states(connection) == {}


def test_an_outage_of_the_database_ends_no_telling(database_url: str) -> None:
    stop, failed = threading.Event(), threading.Event()

    @contextmanager
    def connected() -> Iterator[Connection[Any]]:
        if not failed.is_set():
            failed.set()
            raise psycopg.OperationalError("the server has gone")
        with psycopg.connect(database_url, autocommit=True) as connection:
            yield connection

    telling = Telling(connected, "f1", {"search": Follower()})
    running = threading.Thread(target=telling.run, args=(stop,), kwargs={"every_s": 0.01})
    running.start()
    patient = threading.Event()
    with psycopg.connect(database_url, autocommit=True) as connection:
        while not view_states(connection):
            patient.wait(0.01)
    stop.set()
    running.join()
