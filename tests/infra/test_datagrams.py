"""Datagrams between the processes of one machine."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.datagrams import Ear, Mouth
from infra.postgres_queue import CHANNEL, KIND, PostgresQueue
from infra.queue_hints import QueueHints
from tests.contracts.queue import record

HOUR_S = 3600.0


def test_what_has_come_is_heard_at_once_however_long_one_would_have_waited(tmp_path: Path) -> None:
    with closing(Ear(tmp_path, "a")) as ear, closing(Mouth(tmp_path, "a")) as mouth:
        assert mouth.say([b"1", b"2"])
        assert ear.heard(HOUR_S) == [b"1", b"2"]
        assert ear.heard(0) == []


def test_each_kind_is_heard_by_its_own_ears_alone(tmp_path: Path) -> None:
    with closing(Ear(tmp_path, "a")) as ear, closing(Mouth(tmp_path, "b")) as mouth:
        assert not mouth.say([b"1"])
        assert ear.heard(0) == []


def test_an_ear_that_is_closed_leaves_nothing_behind(tmp_path: Path) -> None:
    Ear(tmp_path, "a").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(60)
def test_a_worker_of_this_machine_wakes_when_a_record_is_put_and_nobody_is_notified(
    module_database_url: str, tmp_path: Path
) -> None:
    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(module_database_url, autocommit=True)

    with closing(QueueHints(module_database_url, "w", folder=tmp_path)) as hints, connect() as listening:
        listening.execute("LISTEN ledgermail_queue")
        hints.attend()
        waiting = threading.Thread(target=hints.wait, args=(HOUR_S,))
        waiting.start()
        with closing(Mouth(tmp_path, KIND)) as mouth:
            PostgresQueue(connect, near=mouth).put(record("near@example.test"))
        waiting.join()
        assert list(listening.notifies(timeout=0)) == []


@pytest.mark.timeout(60)
def test_a_worker_whom_no_datagram_reaches_is_notified(module_database_url: str, tmp_path: Path) -> None:
    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(module_database_url, autocommit=True)

    elsewhere = tmp_path / "elsewhere"
    with closing(QueueHints(module_database_url, "w", folder=elsewhere)) as hints, connect() as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        hints.attend()
        waiting = threading.Thread(target=hints.wait, args=(HOUR_S,))
        waiting.start()
        with closing(Mouth(tmp_path, KIND)) as mouth:
            PostgresQueue(connect, near=mouth).put(record("far@example.test"))
        waiting.join()
        (told,) = listening.notifies(timeout=30, stop_after=1)
        assert told.channel == CHANNEL
