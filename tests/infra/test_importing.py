"""Mail brought along from files: once, under its label, with its time."""

import base64
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.ids import MailboxId
from domain.mailbox_state import MailboxState, difference
from gateways.mail_objects import read_mail
from infra.importing import Counts, Imported, ImportWishes, import_mail, received_at
from infra.mail_files import FoundMail, ReadingLimits, mail_in, with_crlf
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.views.stored_rows import stored_rows
from tests.post_office import PostOffice, post_office

LIMITS = ReadingLimits(max_bytes=36 * 2**20)
BOX = MailboxId("m1")
SUNDAY = b"Sun, 22 Nov 2026 05:00:00 +0000"


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as made:
        made.open_mailbox("m1", "ann@example.test")
        yield made


def bring(office: PostOffice, found: Any, **wishes: Any) -> Imported:
    return import_mail(
        found,
        BOX,
        wishes=ImportWishes(**wishes),
        connect=office.pool.connection,
        blobs=office.blobs,
        appender=office.lane,
    )


def files(path: Path) -> Iterator[FoundMail]:
    return mail_in(path, kind="auto", limits=LIMITS)


def messages(office: PostOffice) -> list[tuple[Any, ...]]:
    return office.rows(
        "SELECT blob, labels, keywords, received_at FROM messages WHERE mailbox_id = 'm1' AND destroyed_seq IS NULL"
        " ORDER BY delivered_seq"
    )


def some_mail(folder: Path, count: int) -> Path:
    for number in range(count):
        (folder / f"{number:03}.eml").write_bytes(
            b"Received: by x; Sun, 22 Nov 2026 05:%02d:00 +0000\nSubject: %d\nMessage-ID: <%d@x>\n\nbody %d\n"
            % (number % 60, number, number, number)
        )
    return folder


def test_mail_is_there_once_however_often_it_is_imported(office: PostOffice, tmp_path: Path) -> None:
    some_mail(tmp_path, 150)
    (tmp_path / "twin.eml").write_bytes((tmp_path / "001.eml").read_bytes())
    assert bring(office, files(tmp_path)).total == Counts(imported=150, already_there=1)
    before = messages(office)
    assert bring(office, files(tmp_path)).total == Counts(already_there=151)
    assert messages(office) == before
    assert {tuple(labels) for _, labels, _, _ in before} == {("INBOX",)}
    assert read_mail(office.blobs, before[7][0]) == with_crlf((tmp_path / "007.eml").read_bytes())
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'mailbox:m1:%%'") == [(150,)]
    assert office.rows("SELECT count(*) FROM extracts") == [(150,)]


def test_an_interrupted_import_goes_on_and_adds_nothing_twice(office: PostOffice, tmp_path: Path) -> None:
    some_mail(tmp_path, 200)

    def torn() -> Iterator[FoundMail]:
        yield from islice(files(tmp_path), 130)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(office, torn())
    total = bring(office, files(tmp_path)).total
    assert (total.imported + total.already_there, len(messages(office))) == (200, 200)
    assert total.already_there >= 64


def test_labels_are_found_or_made_and_system_folders_known(office: PostOffice, tmp_path: Path) -> None:
    top = tmp_path / "Maildir"
    for folder in ("", ".Sent", ".Work.Plans", ".Junk"):
        (top / folder / "cur").mkdir(parents=True)
        (top / folder / "new").mkdir()
        (top / folder / "cur" / "1.x:2,S").write_bytes(b"Subject: in %b\n\nx\n" % folder.encode())
    (top / "cur" / "2.x:2,ST").write_bytes(b"Subject: trashed\n\nx\n")
    imported = bring(office, files(top), skip_trashed=True)
    assert imported.total == Counts(imported=4, skipped=1)
    names = dict(office.rows("SELECT label_id, name FROM labels WHERE mailbox_id = 'm1'"))
    parents = dict(office.rows("SELECT label_id, parent_id FROM labels WHERE mailbox_id = 'm1'"))
    labels = [label_id for _, (label_id,), _, _ in messages(office)]
    assert [names[label_id] for label_id in labels] == ["INBOX", "SPAM", "SENT", "Plans"]
    assert names[parents[labels[3]]] == "Work"
    assert {tuple(keywords) for _, _, keywords, _ in messages(office)} == {("$seen",)}
    again = bring(office, files(top), label="work", keywords=("$flagged",))
    assert again.total == Counts(imported=5)
    assert sum(name.lower() == "work" for name in names.values()) == 1


def test_a_full_mailbox_takes_no_more_and_says_so_by_file(office: PostOffice, tmp_path: Path) -> None:
    some_mail(tmp_path, 10)
    office.rows("UPDATE mailboxes SET quota_bytes = 500 WHERE mailbox_id = 'm1' RETURNING 1")
    imported = bring(office, files(tmp_path))
    assert imported.total.failed > 0
    assert imported.total.imported + imported.total.failed == 10
    assert imported.failures[0].file.parent == tmp_path


def test_a_large_attachment_is_stored_once_for_all(office: PostOffice, tmp_path: Path) -> None:
    content = base64.encodebytes(random.Random(1).randbytes(200_000))
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(
            b"Subject: %d\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n" % number
            + content
        )
    assert bring(office, files(tmp_path)).total == Counts(imported=3)
    assert len(list(office.blobs.names("attachments/"))) == 1
    blob = messages(office)[0][0]
    assert office.blobs.size(blob) < 2000
    assert read_mail(office.blobs, blob) == with_crlf((tmp_path / "0.eml").read_bytes())


@pytest.mark.parametrize(
    ("content", "arrived_at", "expected"),
    [
        (b"Received: by x; %b\r\nReceived: by y; Sat, 21 Nov 2026 05:00:00 +0000\r\n" % SUNDAY, 7, 1_795_323_600_000),
        (b"Received: by x; %b\r\nDate: %b\r\n" % (SUNDAY.replace(b"2026", b"2099"), SUNDAY), 7, 7),
        (b"Date: %b\r\n" % SUNDAY, None, 1_795_323_600_000),
        (b"Subject: nothing\r\n", None, 1_900_000_000_000),
    ],
)
def test_the_time_of_arrival_is_the_newest_that_is_told(content: bytes, arrived_at: int | None, expected: int) -> None:
    found = FoundMail(file=Path("x"), content=content, arrived_at=arrived_at)
    assert received_at(content, found, 1_900_000_000_000) == expected


@pytest.mark.corpus
def test_every_file_of_the_corpus_goes_in_and_comes_back_byte_for_byte(office: PostOffice, corpus: Path) -> None:
    folder = corpus / "mime" / "rspamd"
    imported = bring(office, files(folder))
    assert imported.total.imported > 10
    assert all(failure.reason == "it is empty" for failure in imported.failures)
    stored = {read_mail(office.blobs, blob) for blob, *_ in messages(office)}
    brought = {found.content for found in files(folder) if found.content and found.content.strip()}
    assert stored == brought
    store = datastore(office.url, pool_size=1)
    reader = StreamReader(MailboxRecorder(store), office.keys)
    with psycopg.connect(office.url) as connection:
        assert difference(MailboxState.replay(reader.recorded(BOX)).rows(), stored_rows(connection, BOX)) == []
    store.close()
