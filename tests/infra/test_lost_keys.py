"""A key that is only not there is no key destroyed: nothing is bounced, redacted, emptied or skipped for want of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from domain.decisions import CreateLabel
from domain.ids import MailboxId
from infra.chain_check import check_chain
from infra.contacts_view import ContactsView
from infra.file_keys import FileKeys
from infra.followers import Follower, fan_out
from infra.keys import KeyMissingError
from infra.rebuild import rebuild_mailbox
from infra.store.lane import MailboxUnknownError
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import MAIL, PostOffice, post_office

ADDRESS = "lost@example.test"


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as opened:
        yield opened


@pytest.fixture
def recorder(office: PostOffice) -> Iterator[MailboxRecorder]:
    with datastore(office.url, pool_size=1) as store:
        yield MailboxRecorder(store)


@pytest.fixture
def mailbox_id(office: PostOffice) -> MailboxId:
    return office.open_mailbox("m1", ADDRESS)


@contextmanager
def key_lost(keys: FileKeys, mailbox_id: str, aside: Path) -> Iterator[None]:
    (stored,) = keys._folder.rglob(f"{mailbox_id}.key")
    shutil.move(stored, aside)
    keys._cache.clear()
    yield
    shutil.move(aside, stored)


@pytest.fixture
def lost(office: PostOffice, tmp_path: Path) -> Callable[[MailboxId], object]:
    return lambda mailbox_id: key_lost(office.keys, mailbox_id, tmp_path / "aside.key")


def label(mailbox_id: MailboxId, name: str) -> CreateLabel:
    return CreateLabel(mailbox_id=mailbox_id, command_id=name, path=name)


def test_a_command_fails_without_being_refused_and_those_beside_it_are_appended(
    office: PostOffice, mailbox_id: MailboxId, lost: Callable
) -> None:
    other = office.open_mailbox("m2")
    with lost(mailbox_id):
        failing, appended = office.lane.submit(label(mailbox_id, "a")), office.lane.submit(label(other, "a"))
        with pytest.raises(KeyMissingError, match="m1"):
            failing.result(10)
        assert appended.result(10).seq == 2
    assert office.lane.run(label(mailbox_id, "a")).seq == 2


def test_a_mailbox_that_was_never_opened_is_unknown(office: PostOffice) -> None:
    office.rows("INSERT INTO mailboxes (mailbox_id) VALUES ('never') RETURNING 1")
    for unknown in ("never", "nowhere"):
        with pytest.raises(MailboxUnknownError):
            office.lane.run(label(MailboxId(unknown), "a"))


def test_accepted_mail_waits_for_the_key_and_is_delivered_once_it_is_back(
    office: PostOffice, mailbox_id: MailboxId, lost: Callable
) -> None:
    with lost(mailbox_id):
        office.accept(MAIL % b"waits", ADDRESS)
        assert office.worker().run_due() == 1
        assert office.rows("SELECT open FROM queue_records") == [([0],)]
        assert office.rows("SELECT count(*) FROM dead_letters") == [(0,)]
    for table in ("queue_failures", "queue_records"):
        assert office.rows(f"UPDATE {table} SET due_at = 0 RETURNING 1") == [(1,)]
    office.worker().run_due()
    assert len(office.inbox(mailbox_id)) == 1
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]


def test_readers_are_told_and_shown_nothing_redacted(
    office: PostOffice, recorder: MailboxRecorder, mailbox_id: MailboxId, lost: Callable
) -> None:
    reader = StreamReader(recorder, office.keys)
    (row,) = reader.rows(mailbox_id)
    with lost(mailbox_id):
        for read in (
            lambda: reader.page(mailbox_id, 0, limit=10),
            lambda: list(reader.recorded(mailbox_id)),
            lambda: reader.batch(mailbox_id, 0, limit=10),
            lambda: reader.recorded_row(row),
        ):
            with pytest.raises(KeyMissingError):
                read()
        assert reader.page(mailbox_id, 1, limit=10).events == ()


def test_the_check_of_a_chain_names_the_missing_key(
    office: PostOffice, recorder: MailboxRecorder, mailbox_id: MailboxId, lost: Callable
) -> None:
    with lost(mailbox_id), psycopg.connect(office.url, autocommit=True) as connection:
        checked = check_chain(connection, recorder, office.keys, mailbox_id=mailbox_id)
    assert checked.redacted == 0
    assert checked.broken is not None
    assert "key of mailbox m1 is not in the key store" in checked.broken.reason


def test_a_view_that_follows_parks_the_mailbox_where_it_stood(
    office: PostOffice, recorder: MailboxRecorder, mailbox_id: MailboxId, lost: Callable
) -> None:
    follower = Follower(office.url, StreamReader(recorder, office.keys), ContactsView())
    with lost(mailbox_id), psycopg.connect(office.url, autocommit=True) as connection:
        fan_out(connection, ["contacts"])
        follower.step(connection)
    ((applied, error),) = office.rows("SELECT applied_seq, parked_error FROM followers")
    assert (applied, "KeyMissingError" in error) == (0, True)


def test_a_rebuild_stops_and_leaves_the_rows_that_stand(
    office: PostOffice, recorder: MailboxRecorder, mailbox_id: MailboxId, lost: Callable
) -> None:
    office.accept(MAIL % b"stays", ADDRESS)
    office.worker().run_due()
    reader = StreamReader(recorder, office.keys)
    with lost(mailbox_id), pytest.raises(KeyMissingError):
        rebuild_mailbox(office.url, reader, mailbox_id)
    assert len(office.inbox(mailbox_id)) == 1
    assert rebuild_mailbox(office.url, reader, mailbox_id).differences == ()
    assert len(office.inbox(mailbox_id)) == 1


def test_a_key_folder_that_was_taken_away_is_no_folder_of_destroyed_keys(tmp_path: Path) -> None:
    folder, master = tmp_path / "keys", tmp_path / "master.key"
    FileKeys(folder, master).create("m1")
    keys = FileKeys(folder, master)
    keys.check()
    folder.rename(tmp_path / "away")
    with pytest.raises(KeyMissingError):
        keys.get("m1")
    with pytest.raises(OSError, match="tombstones"):
        keys.check()
