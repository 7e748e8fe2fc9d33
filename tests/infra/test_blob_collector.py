"""The collector: what it takes, what it leaves, a crash at any of its lines, and races with those who hold."""

import hashlib
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation

from gateways.attachments import blob_sizes, store
from gateways.blobs import attachment_blob_name
from infra import blob_collector
from infra.blob_collector import Collected, collect
from infra.blob_references import hold, release, touch
from infra.file_blobs import FileBlobs

DAY = timedelta(days=1)


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def put(connection: psycopg.Connection, blobs: FileBlobs, *contents: bytes) -> list[str]:
    parts = {hashlib.sha256(content).hexdigest(): content for content in contents}
    touch(connection, blob_sizes(parts))
    store(blobs, parts)
    return [attachment_blob_name(sha256) for sha256 in parts]


def rows(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM blobs")}


def collected(url: str, blobs: FileBlobs, *, in_days: float) -> Collected:
    return collect(partial(psycopg.connect, url), blobs, now=datetime.now(UTC) + in_days * DAY)


def test_what_nobody_holds_goes_once_the_grace_is_over(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    held, _ = put(connection, blobs, b"held", b"free!")
    hold(connection, "mailbox:b1:m1", [held])
    assert collected(database_url, blobs, in_days=0.99) == Collected(0, 0)
    assert collected(database_url, blobs, in_days=1.01) == Collected(1, 5)
    assert collected(database_url, blobs, in_days=1.02) == Collected(0, 0)
    assert list(blobs.names("")) == [held]
    assert rows(connection) == {held}


def test_the_databases_clock_is_the_collectors(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    put(connection, blobs, b"free!")
    assert collect(partial(psycopg.connect, database_url), blobs) == Collected(0, 0)
    assert collect(partial(psycopg.connect, database_url), blobs, grace_s=0) == Collected(1, 5)


def test_what_was_released_goes(connection: psycopg.Connection, blobs: FileBlobs, database_url: str) -> None:
    (name,) = put(connection, blobs, b"content")
    hold(connection, "draft:d1", [name])
    hold(connection, "mailbox:b1:m1", [name])
    release(connection, "draft:d1")
    assert collected(database_url, blobs, in_days=2).deleted == 0
    release(connection, "mailbox:b1:m1")
    assert collected(database_url, blobs, in_days=2).deleted == 1


def test_a_dedup_hit_starts_the_grace_anew(connection: psycopg.Connection, blobs: FileBlobs, database_url: str) -> None:
    (name,) = put(connection, blobs, b"content")
    connection.execute("UPDATE blobs SET touched_at = now() - interval '30 days', marked_at = now()")
    put(connection, blobs, b"content")
    assert collected(database_url, blobs, in_days=0.5).deleted == 0
    assert blobs.read(name) == b"content"


def test_a_mark_left_on_what_is_held_again_is_taken_off(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    (name,) = put(connection, blobs, b"content")
    connection.execute("UPDATE blobs SET touched_at = now() - interval '30 days', marked_at = now()")
    hold(connection, "queue:a1", [name])
    assert collected(database_url, blobs, in_days=2).deleted == 0
    assert connection.execute("SELECT marked_at FROM blobs").fetchall() == [(None,)]
    assert blobs.exists(name)


def test_a_file_without_a_row_gets_its_grace_and_then_goes(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    blobs.put("emails/2026/11/22/a1.eml", b"stray")
    assert collected(database_url, blobs, in_days=0).deleted == 0
    assert rows(connection) == {"emails/2026/11/22/a1.eml"}
    assert collected(database_url, blobs, in_days=0.9).deleted == 0
    assert collected(database_url, blobs, in_days=1.1) == Collected(1, 5)
    assert list(blobs.names("")) == []


def test_many_objects_are_collected_in_batches(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    names = put(connection, blobs, *(b"%d" % n for n in range(230)))
    hold(connection, "mailbox:b1:m1", names[::10])
    assert collected(database_url, blobs, in_days=2).deleted == 207
    assert set(blobs.names("")) == rows(connection) == set(names[::10])


def test_two_collectors_at_once_count_each_object_once(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    put(connection, blobs, *(b"%d" % n for n in range(200)))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(collected, database_url, blobs, in_days=2) for _ in range(4)]
        total = sum(future.result().deleted for future in done)
    assert total + collected(database_url, blobs, in_days=2).deleted == 200
    assert list(blobs.names("")) == []


def test_a_touch_waits_for_the_collector_and_puts_again(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    deleting, go_on = threading.Event(), threading.Event()

    class Hesitating(FileBlobs):
        def delete(self, name: str) -> None:
            deleting.set()
            assert go_on.wait(20)
            super().delete(name)

    (name,) = put(connection, blobs, b"content")
    with ThreadPoolExecutor(2) as pool, psycopg.connect(database_url, autocommit=True) as other:
        collecting = pool.submit(collected, database_url, Hesitating(blobs._root), in_days=2)
        assert deleting.wait(20)
        putting = pool.submit(put, other, blobs, b"content")
        try:
            while not waits_for_a_lock(connection, other.info.backend_pid):
                assert not putting.done()
        finally:
            go_on.set()
        assert collecting.result(20).deleted == 1
        putting.result(20)
    hold(connection, "mailbox:b1:m1", [name])
    assert blobs.read(name) == b"content"


def waits_for_a_lock(connection: psycopg.Connection, pid: int) -> bool:
    row = connection.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    return row == ("Lock",)


def test_an_open_transaction_that_holds_is_passed_over(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str
) -> None:
    (name,) = put(connection, blobs, b"content")
    with psycopg.connect(database_url) as appending:
        hold(appending, "mailbox:b1:m1", [name])
        assert collected(database_url, blobs, in_days=2).deleted == 0
    assert collected(database_url, blobs, in_days=2).deleted == 0
    assert blobs.exists(name)


def collect_and_die(url: str, folder: Path, lines: int) -> None:
    """In a forked child: killed before the given line of the collector runs, 0 when it came to its end before."""
    left = lines

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal left
        if frame.f_code.co_filename != blob_collector.__file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    blobs = FileBlobs(folder)
    sys.settrace(trace)  # type: ignore[arg-type]
    collected(url, blobs, in_days=2)
    os._exit(0)


def test_a_collection_killed_at_any_line_is_finished_by_the_next(
    connection: psycopg.Connection, blobs: FileBlobs, database_url: str, tmp_path: Path
) -> None:
    fork, killed, line = multiprocessing.get_context("fork"), 0, 0
    while True:
        line += 1
        held, free = put(connection, blobs, b"held %d" % line, b"free %d" % line)
        hold(connection, f"mailbox:b1:m{line}", [held])
        child = fork.Process(target=collect_and_die, args=(database_url, tmp_path, line))
        child.start()
        child.join(20)
        assert blobs.exists(held)
        assert blobs.exists(free) <= (free in rows(connection))
        collected(database_url, blobs, in_days=2)
        assert not blobs.exists(free)
        assert free not in rows(connection)
        release(connection, f"mailbox:b1:m{line}")
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        killed += 1
    assert killed > 50


def parts_of(numbers: list[int]) -> dict[str, bytes]:
    contents = [b"attachment %d " % n * 100 for n in numbers]
    return {hashlib.sha256(content).hexdigest(): content for content in contents}


def keep_holding(url: str, folder: Path, worker: int, *, kinds: int, done: Path, one_transaction: bool) -> int:
    """Put, hold, look and let go at random until `done` is there; how many holds were refused and tried again."""
    chance, blobs, refused = random.Random(worker), FileBlobs(folder), 0
    with psycopg.connect(url, autocommit=True) as connection:
        while not done.exists():
            parts = parts_of(chance.sample(range(kinds), 3))
            sizes, holder = blob_sizes(parts), f"mailbox:b{worker}:m{chance.randrange(5)}"
            try:
                if one_transaction:
                    with connection.transaction():
                        release(connection, holder)
                        touch(connection, sizes)
                        store(blobs, parts)
                        hold(connection, holder, sizes)
                else:
                    touch(connection, sizes)
                    store(blobs, parts)
                    hold(connection, holder, sizes)
            except ForeignKeyViolation:
                refused += 1
                continue
            for sha256, content in parts.items():
                assert blobs.read(attachment_blob_name(sha256)) == content
            if chance.random() < 0.8:
                release(connection, holder)
        with connection.transaction():
            parts = parts_of(list(range(3)))
            touch(connection, blob_sizes(parts))
            store(blobs, parts)
            hold(connection, f"mailbox:b{worker}:last", blob_sizes(parts))
    return refused


def keep_collecting(url: str, folder: Path, *, grace_s: float, until: float) -> int:
    """Collect until the time is over and enough was deleted, however slow the machine is."""
    blobs, deleted = FileBlobs(folder), 0
    while time.monotonic() < until or deleted <= 20:
        deleted += collect(partial(psycopg.connect, url), blobs, grace_s=grace_s).deleted
    return deleted


def nothing_held_is_missing(connection: psycopg.Connection, blobs: FileBlobs) -> bool:
    return all(
        hashlib.sha256(blobs.read(name)).hexdigest() == name.rpartition("/")[2]
        for (name,) in connection.execute("SELECT DISTINCT name FROM blob_references")
    )


@pytest.mark.parametrize(
    ("one_transaction", "grace_s", "kinds"),
    [(True, 0.0, 8), (False, 0.5, 400)],
    ids=["touched-and-held-in-one-transaction-without-any-grace", "touched-before-the-append-within-the-grace"],
)
def test_nothing_held_is_ever_missing_however_collectors_and_holders_race(
    connection: psycopg.Connection,
    blobs: FileBlobs,
    database_url: str,
    tmp_path: Path,
    one_transaction: bool,
    grace_s: float,
    kinds: int,
) -> None:
    done = tmp_path / "done"
    fork = multiprocessing.get_context("fork")
    holding = partial(keep_holding, database_url, tmp_path, kinds=kinds, done=done, one_transaction=one_transaction)
    collecting = partial(keep_collecting, database_url, tmp_path, grace_s=grace_s, until=time.monotonic() + 3)
    with fork.Pool(6) as pool:
        holders = [pool.apply_async(holding, (worker,)) for worker in range(4)]
        collectors = [pool.apply_async(collecting) for _ in range(2)]
        for collector in collectors:
            assert collector.get(120) > 20
        done.touch()
        refused = sum(holder.get(60) for holder in holders)
    assert refused == 0 or not one_transaction
    assert nothing_held_is_missing(connection, blobs)
    assert connection.execute("SELECT count(*) FROM blob_references WHERE holder LIKE '%:last'").fetchone() == (12,)
