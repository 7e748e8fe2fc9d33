"""From a backup to a working installation: everything there, nobody back who was erased."""

import base64
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gateways.mail_objects import read_mail
from infra.backing_up import BackedUp, Source, back_up
from infra.backup_files import BackupError, Listed, listed_files, read_manifest
from infra.blob_collector import collect
from infra.chain_check import check_chain, mailboxes_with_chains
from infra.file_blobs import FileBlobs
from infra.file_keys import FileKeys
from infra.rebuild import verify_mailbox
from infra.restoring import Restored, Target, restore_backup
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.conftest import temporary_data_folder, with_database
from tests.post_office import MAIL, PostOffice, post_office

ATTACHMENT = random.Random(1).randbytes(150_000)
LARGE = (
    b"Subject: with a file\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


class Here:
    """An installation with mail, its backup, and a place to restore it to."""

    def __init__(self, office: PostOffice, data: Path, elsewhere: Path, server_url: str) -> None:
        self.office = office
        self.data = data
        self.folder = elsewhere / "backup"
        self.target = Target(data=elsewhere / "new", master_key_file=elsewhere / "new" / "keys" / "master.key")
        self._server_url = server_url
        self._database = f"restored_{data.name.replace('-', '_')}"

    def back_up(self, **changes: Any) -> BackedUp:
        source = Source(conninfo=self.office.url, blobs=self.data / "blobs", keys=self.data / "keys", **changes)
        return back_up(source, self.folder)

    def restore(self, **changes: Any) -> Restored:
        return restore_backup(self.folder, self.target, start_database=self.start_database, **changes)

    def give_master_key(self) -> None:
        self.target.master_key_file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.target.master_key_file.write_bytes((self.data / "keys" / "master.key").read_bytes())
        self.target.master_key_file.chmod(0o600)

    def start_database(self) -> str:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self._database,)).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        return with_database(self._server_url, self._database)

    def drop_database(self) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(self._database)))

    def listed(self) -> list[Listed]:
        return list(listed_files(self.folder, read_manifest(self.folder)))

    def deliver(self, raw: bytes, *recipients: str) -> None:
        self.office.accept(raw, *recipients)
        self.office.worker().run_due()


@pytest.fixture
def here(database_url: str, postgres_url: str, data_folder: Path) -> Iterator[Here]:
    with post_office(database_url, data_folder) as office, temporary_data_folder() as elsewhere:
        office.open_mailbox("m1", "ann@example.test")
        office.open_mailbox("m2", "carl@example.test")
        made = Here(office, data_folder, elsewhere, postgres_url)
        for number in range(5):
            made.deliver(MAIL % (b"%d" % number), "ann@example.test", "carl@example.test")
        made.deliver(LARGE + base64.encodebytes(ATTACHMENT).replace(b"\n", b"\r\n"), "ann@example.test")
        yield made
        made.drop_database()


@contextmanager
def installed(here: Here) -> Iterator[tuple[str, StreamReader, MailboxRecorder, FileKeys, FileBlobs]]:
    """What was restored, opened."""
    url, keys = here.start_database(), FileKeys(here.target.keys, here.target.master_key_file)
    store = datastore(url, pool_size=1)
    recorder = MailboxRecorder(store)
    yield url, StreamReader(recorder, keys), recorder, keys, FileBlobs(here.target.data / "blobs")
    store.close()


def uid_validities(url: str) -> dict[tuple[str, str], int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT mailbox_id, label_id, uid_validity FROM labels").fetchall()
    return {(mailbox_id, label_id): validity for mailbox_id, label_id, validity in rows}


def _highest(validities: dict[tuple[str, str], int], mailbox_id: str) -> int:
    """Of all labels of one account: no client compares those of two."""
    return max(validity for (of, _), validity in validities.items() if of == mailbox_id)


def test_a_restored_installation_has_everything_and_new_uid_validities(here: Here) -> None:
    here.back_up()
    here.give_master_key()
    assert here.restore() == Restored(files=len(here.listed()), mailboxes=2, erased=0)
    before = uid_validities(here.office.url)
    with installed(here) as (url, reader, recorder, keys, blobs), psycopg.connect(url, autocommit=True) as connection:
        assert mailboxes_with_chains(connection) == ["m1", "m2"]
        for mailbox_id in mailboxes_with_chains(connection):
            checked = check_chain(connection, recorder, keys, mailbox_id=mailbox_id)
            assert (checked.broken, checked.redacted) == (None, 0)
            assert verify_mailbox(url, reader, mailbox_id) == []
        after = uid_validities(url)
        assert after.keys() == before.keys()
        assert all(validity > _highest(before, mailbox_id) for (mailbox_id, _), validity in after.items())
        held = connection.execute("SELECT blob FROM messages").fetchall()
        assert len(held) == 11
        whole = {name: read_mail(here.office.blobs, name) for (name,) in held}
        assert {name: read_mail(blobs, name) for (name,) in held} == whole
    assert any(ATTACHMENT in here.office.blobs.read(name) for name in here.office.blobs.names("attachments/"))


def test_the_next_backup_writes_what_is_new_and_forgets_what_is_gone(here: Here) -> None:
    first = here.back_up()
    here.deliver(MAIL % b"9", "ann@example.test")
    gone = next(here.office.blobs.names("attachments/"))
    here.office.blobs.delete(gone)
    second = here.back_up()
    assert (second.files, second.new_files) == (first.files, 1)
    assert not (here.folder / "blobs" / gone).exists()
    assert len(list(here.folder.glob("database-*.dump"))) == 1


def test_an_object_replaced_under_its_name_is_taken_anew_and_the_old_backup_stands_until_then(here: Here) -> None:
    here.back_up()
    name = next(here.office.blobs.names("emails/"))
    here.office.blobs.put(name, b"replaced")
    here.back_up()
    (listed,) = [one for one in here.listed() if one.name == f"blobs/{name}"]
    assert listed.path != listed.name
    assert (here.folder / listed.path).read_bytes() == b"replaced"
    assert not (here.folder / listed.name).exists()


def test_whoever_was_erased_since_the_backup_does_not_come_back(here: Here) -> None:
    here.back_up()
    here.office.keys.destroy("m1")
    here.give_master_key()
    target = Target(
        data=here.target.data, master_key_file=here.target.master_key_file, tombstones=(here.data / "keys",)
    )
    here.target = target
    restored = here.restore()
    assert (restored.mailboxes, restored.erased) == (1, 1)
    with installed(here) as (url, reader, _recorder, keys, _blobs):
        with psycopg.connect(url) as connection:  # so what the backup has of it in clear goes, too: infra.erasing
            assert connection.execute("SELECT mailbox_id FROM mailboxes WHERE erased").fetchall() == [("m1",)]
        assert keys.get("m1") is None
        assert all(recorded.event is None for recorded in reader.recorded("m1"))  # type: ignore[arg-type]
        assert any(recorded.event is not None for recorded in reader.recorded("m2"))  # type: ignore[arg-type]


def test_the_key_of_an_erased_mailbox_leaves_the_next_backup(here: Here) -> None:
    here.back_up()
    assert [path.name for path in (here.folder / "keys").rglob("m1.key")] == ["m1.key"]
    here.office.keys.destroy("m1")
    here.back_up()
    assert [path.name for path in (here.folder / "keys").rglob("m1*")] == ["m1"]


def test_a_backup_with_its_master_key_needs_nothing_else(here: Here) -> None:
    here.back_up(master_key_file=here.data / "keys" / "master.key")
    assert (here.folder / "master.key").stat().st_mode & 0o777 == 0o600
    assert here.restore().mailboxes == 2


def _lose_blob(here: Here) -> None:
    next((here.folder / "blobs" / "attachments").iterdir()).unlink()


def _alter_dump(here: Here) -> None:
    dump = next(here.folder.glob("database-*.dump"))
    content = dump.read_bytes()
    dump.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _lose_manifest(here: Here) -> None:
    (here.folder / "manifest.json").unlink()


def _fill_target(here: Here) -> None:
    (here.target.data / "blobs").mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_lose_blob, "is missing"),
        (_alter_dump, "not as it was written"),
        (_lose_manifest, "no finished backup"),
        (_fill_target, "is not empty"),
    ],
)
def test_a_damaged_backup_or_a_used_folder_is_refused_before_anything_is_restored(
    here: Here, spoil: Callable[[Here], None], said: str
) -> None:
    here.back_up()
    here.give_master_key()
    spoil(here)
    with pytest.raises(BackupError, match=said):
        here.restore()
    assert not (here.target.data / "blobs" / "emails").exists()


def test_without_the_master_key_nothing_is_restored(here: Here) -> None:
    here.back_up()
    with pytest.raises(BackupError, match="without its master key"):
        here.restore()


@pytest.mark.parametrize("at", ["files", "database", "mailboxes"])
def test_an_interrupted_restore_goes_on_and_restores_each_mailbox_once(here: Here, at: str) -> None:
    here.back_up()
    here.give_master_key()

    def interrupt(what: str, _done: int, _all: int) -> None:
        if what == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here.restore(progress=interrupt)
    assert here.restore().mailboxes == 2
    with installed(here) as (_url, reader, *_):
        topics = [recorded.topic for recorded in reader.recorded("m1")]  # type: ignore[arg-type]
    assert topics.count("MailboxRestored") == 1


def test_the_collector_waits_while_a_backup_is_made(here: Here) -> None:
    here.office.rows("DELETE FROM blob_references RETURNING 1")
    later = datetime.now(UTC) + timedelta(days=2)
    deleted: list[int] = []

    def collect_meanwhile(_done: int, _all: int) -> None:
        deleted.append(collect(here.office.pool.connection, here.office.blobs, now=later).deleted)

    source = Source(conninfo=here.office.url, blobs=here.data / "blobs", keys=here.data / "keys")
    back_up(source, here.folder, collect_meanwhile)
    assert set(deleted) == {0}
    assert collect(here.office.pool.connection, here.office.blobs, now=later).deleted > 0


def test_the_manifest_names_every_file_in_the_backup(here: Here) -> None:
    here.back_up(master_key_file=here.data / "keys" / "master.key")
    manifest = read_manifest(here.folder)
    assert manifest.master_key is not None
    named = {one.path for one in here.listed()} | {"manifest.json", manifest.database.path, manifest.files.path}
    lying = {str(path.relative_to(here.folder)) for path in here.folder.rglob("*") if path.is_file()}
    assert lying == named | {manifest.master_key.path}
