"""A rebuild that is killed, or cannot write, while it reads, folds and writes at once: it goes on where it stood."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decisions import Modify
from domain.ids import MailboxId
from infra import rebuild, rebuild_folding
from infra.file_keys import FileKeys
from infra.rebuild import rebuild_mailbox, verify_mailbox
from infra.rebuild_folding import WriteBehind
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import MAIL, PostOffice, post_office

MAILS = 20
BATCH = 4
NOTED = "SELECT applied_seq FROM rebuilds WHERE mailbox_id = 'm1'"
BUILT = "SELECT created_seq FROM messages WHERE mailbox_id = 'm1' AND generation = 2 ORDER BY 1"
TOLD = "SELECT created_seq FROM messages WHERE mailbox_id = 'm1' AND generation = 1 AND created_seq <= %s ORDER BY 1"
LOCK_FREE = "SELECT pg_advisory_xact_lock(hashtextextended('rebuild m1', 0))"
CUT_OFF = (
    "SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE l.locktype = 'advisory' AND d.datname = current_database() AND l.granted"
)


def small_batches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rebuild, "BATCH_EVENTS", BATCH)
    patch.setattr(rebuild, "LAST_FEW_EVENTS", 0)
    patch.setattr(rebuild, "REMOVED_AT_ONCE", 3)


@pytest.fixture
def office(database_url: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    small_batches(monkeypatch)
    with post_office(database_url, data_folder) as opened:
        yield opened


@pytest.fixture
def reader(office: PostOffice) -> Iterator[StreamReader]:
    with datastore(office.url, pool_size=1) as store:
        yield StreamReader(MailboxRecorder(store), office.keys)


@pytest.fixture
def mailbox_id(office: PostOffice) -> MailboxId:
    """Twenty mails, and as many changes of them: every batch needs rows of the ones before."""
    opened = office.open_mailbox("m1", "ann@example.test")
    for number in range(MAILS):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    office.worker().run_due()
    for number, message in enumerate(office.inbox(opened)):
        change = Modify(mailbox_id=opened, command_id=f"c{number}", ids=(message["id"],), add_keywords=("$flagged",))
        office.lane.run(change)
    return opened


def assert_stands_where_it_says(office: PostOffice) -> int:
    """The generation that is being built has the messages up to the seq noted, and none beyond."""
    found = office.rows(NOTED)
    noted = int(found[0][0]) if found else 0
    assert office.rows(BUILT) == office.rows(TOLD, noted)
    return noted


def assert_goes_on(office: PostOffice, reader: StreamReader, mailbox_id: MailboxId, since: int) -> None:
    told: list[int] = []
    rebuilt = rebuild_mailbox(office.url, reader, mailbox_id, lambda done, _head: told.append(done))
    assert (rebuilt.switched, rebuilt.differences) == (True, ())
    assert min(told) > since
    assert verify_mailbox(office.url, reader, mailbox_id) == []


POINTS = {"folded": rebuild_folding, "settle": WriteBehind, "write": rebuild_folding, "fold": WriteBehind}
"""Before a batch is folded, before the one sent is waited for, before the next is sent, and right after that."""


def rebuild_until_killed(url: str, folder: Path, point: str, crossings: int) -> None:
    """In a process of its own, which is killed when it comes to a point for the so-manieth time."""
    patch = pytest.MonkeyPatch()
    small_batches(patch)
    original, left = getattr(POINTS[point], point), [crossings]

    def killed(*arguments: Any) -> Any:
        if point == "fold":
            original(*arguments)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return None if point == "fold" else original(*arguments)

    patch.setattr(POINTS[point], point, killed)
    keys = FileKeys(folder / "keys", folder / "keys" / "master.key")
    with datastore(url, pool_size=1) as store:
        rebuild_mailbox(url, StreamReader(MailboxRecorder(store), keys), MailboxId("m1"))


@pytest.mark.parametrize("crossings", [1, 2, 6])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_step_of_a_batch_it_goes_on_where_its_note_says(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId, data_folder: Path, point: str, crossings: int
) -> None:
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=rebuild_until_killed, args=(office.url, data_folder, point, crossings))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    office.rows(LOCK_FREE)  # the server has ended what the killed process had sent
    noted = assert_stands_where_it_says(office)
    assert noted % BATCH == 0
    assert noted >= BATCH * (crossings - 2)
    assert_goes_on(office, reader, mailbox_id, noted)


@pytest.mark.parametrize("place", [0, BATCH, MAILS - 1])
def test_a_write_that_fails_while_the_next_batch_is_folded_ends_it_where_the_one_before_stands(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId, place: int
) -> None:
    refused = office.inbox(mailbox_id)[place]["id"]
    check = f"ALTER TABLE messages ADD CONSTRAINT refused CHECK (generation = 1 OR message_id <> '{refused}')"
    with psycopg.connect(office.url, autocommit=True) as connection:
        connection.execute(check.encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            rebuild_mailbox(office.url, reader, mailbox_id)
        ((delivered,),) = office.rows("SELECT created_seq FROM messages WHERE message_id = %s", refused)
        noted = assert_stands_where_it_says(office)
        assert noted == (delivered - 1) // BATCH * BATCH
        connection.execute("ALTER TABLE messages DROP CONSTRAINT refused")
    assert_goes_on(office, reader, mailbox_id, noted)


def test_a_connection_that_is_cut_off_loses_the_lock_and_nothing_is_written_after_it(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    told: list[int] = []

    def cut_off(done: int, _head: int) -> None:
        told.append(done)
        if done == 2 * BATCH:
            assert office.rows(CUT_OFF) == [(True,)]

    with pytest.raises(psycopg.OperationalError):
        rebuild_mailbox(office.url, reader, mailbox_id, cut_off)
    assert told == [BATCH, 2 * BATCH]
    assert assert_stands_where_it_says(office) == 2 * BATCH
    assert_goes_on(office, reader, mailbox_id, 2 * BATCH)


def test_whoever_interrupts_it_leaves_what_was_sent_written_and_the_lock_free(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    def interrupt(done: int, _head: int) -> None:
        if done == 2 * BATCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_mailbox(office.url, reader, mailbox_id, interrupt)
    noted = assert_stands_where_it_says(office)
    assert noted == 2 * BATCH
    assert_goes_on(office, reader, mailbox_id, noted)


def test_mail_that_comes_while_the_end_of_the_log_is_folded_is_folded_behind_it(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    told: list[int] = []
    head = office.rows("SELECT head FROM mailboxes")[0][0]

    def more(done: int, _head: int) -> None:
        told.append(done)
        if done == head:
            office.accept(MAIL % b"late", "ann@example.test")
            office.worker().run_due()

    rebuilt = rebuild_mailbox(office.url, reader, mailbox_id, more)
    assert (rebuilt.events, rebuilt.differences, told[-1]) == (head + 1, (), head + 1)
    assert verify_mailbox(office.url, reader, mailbox_id) == []
