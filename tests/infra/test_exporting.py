"""A mailbox written into files, and what other programs and an import find in them."""

import mailbox
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from domain.decisions import CreateLabel, Modify
from domain.ids import LabelId, MailboxId, MessageId
from gateways.mail_objects import read_mail
from infra.exporting import Exported, Mailbag, export_files, export_maildir, export_mbox
from infra.mail_files import ReadingLimits, mail_in
from infra.maildir import encoded_name, folder_name
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import MAIL, PostOffice, post_office

BOX = MailboxId("m1")
LIMITS = ReadingLimits(max_bytes=10**6, undo_quoting=True)


class Filled:
    """Three delivered mails: one read and in a label of its own besides, one that begins lines with From."""

    def __init__(self, office: PostOffice, connection: psycopg.Connection[Any], reader: StreamReader) -> None:
        self.office = office
        self.bag = Mailbag(connection, reader, office.blobs, BOX, "ann@example.test")
        for body in (MAIL % b"1", MAIL % b"2", MAIL % b"3" + b"From here\r\n>From there\r\n"):
            office.accept(body, "ann@example.test")
            office.worker().run_due()
        made = office.lane.run(CreateLabel(mailbox_id=BOX, command_id="label", path="Work/Caf\u00e9 & Bar"))
        self.first = MessageId(office.inbox("m1")[0]["id"])
        self.modify("star", add_keywords=("$seen", "$flagged"), add_labels=(LabelId(made.answer["id"]),))

    def modify(self, command_id: str, **changes: Any) -> None:
        self.office.lane.run(Modify(mailbox_id=BOX, command_id=command_id, ids=(self.first,), **changes))

    def raw(self) -> dict[str, bytes]:
        """Message id → trace block and content."""
        events = {r.seq: r.event for r in self.bag.reader.recorded(BOX)}
        columns = "message_id, delivered_seq, blob"
        rows = self.office.rows(f"SELECT {columns} FROM messages WHERE mailbox_id = 'm1' ORDER BY 2")
        traces = {message_id: events[seq].server.trace.encode() for message_id, seq, _ in rows}  # type: ignore
        return {message_id: traces[message_id] + read_mail(self.office.blobs, blob) for message_id, _, blob in rows}


@pytest.fixture
def filled(database_url: str, data_folder: Path) -> Iterator[Filled]:
    with post_office(database_url, data_folder) as office, psycopg.connect(database_url, autocommit=True) as connection:
        office.open_mailbox("m1", "ann@example.test")
        store = datastore(database_url, pool_size=1)
        yield Filled(office, connection, StreamReader(MailboxRecorder(store), office.keys))
        store.close()


def test_each_message_is_written_as_raw_gives_it_with_labels_and_keywords_beside(
    filled: Filled, tmp_path: Path
) -> None:
    assert export_files(filled.bag, tmp_path) == Exported(written=3)
    manifest = msgspec.json.decode((tmp_path / "manifest.json").read_bytes())
    written = {mail["id"]: (tmp_path / mail["file"]).read_bytes() for mail in manifest["messages"]}
    assert written == filled.raw()
    assert all(raw.startswith(b"Return-Path: <bob@elsewhere.test>\r\n") for raw in written.values())
    starred = next(mail for mail in manifest["messages"] if mail["id"] == filled.first)
    assert (sorted(starred["labels"]), starred["keywords"]) == (
        ["INBOX", "Work/Caf\u00e9 & Bar"],
        ["$flagged", "$seen"],
    )


def test_an_export_goes_on_where_it_stood(filled: Filled, tmp_path: Path) -> None:
    export_files(filled.bag, tmp_path)
    (tmp_path / "messages" / f"{filled.first}.eml").write_bytes(b"half")
    (tmp_path / "manifest.json").unlink()
    assert export_files(filled.bag, tmp_path) == Exported(written=1, there=2)
    assert (tmp_path / "messages" / f"{filled.first}.eml").read_bytes() == filled.raw()[filled.first]


def test_an_mbox_comes_back_byte_for_byte(filled: Filled, tmp_path: Path) -> None:
    target = tmp_path / "ann.mbox"
    assert export_mbox(filled.bag, target) == Exported(written=3)
    brought = [found.content for found in mail_in(target, kind="auto", limits=LIMITS)]
    assert brought == list(filled.raw().values())
    assert len(mailbox.mbox(str(target))) == 3
    assert not target.with_name("ann.mbox.part").exists()


def test_a_maildir_has_a_folder_for_each_label(filled: Filled, tmp_path: Path) -> None:
    export_maildir(filled.bag, tmp_path)
    found = list(mail_in(tmp_path, kind="auto", limits=LIMITS))
    assert sorted(one.folder for one in found) == [(), (), (), ("Work", "Caf\u00e9 & Bar")]
    assert {one.content for one in found} == set(filled.raw().values())
    assert {one.keywords for one in found if one.folder} == {("$flagged", "$seen")}
    filled.modify("unread", remove_keywords=("$seen",))
    assert export_maildir(filled.bag, tmp_path) == Exported(there=3)
    assert len(list(tmp_path.rglob("*.ledgermail:*"))) == 4


def test_a_lost_object_fails_alone(filled: Filled, tmp_path: Path) -> None:
    (blob,) = (b for (b,) in filled.office.rows("SELECT blob FROM messages WHERE message_id = %s", filled.first))
    filled.office.blobs.delete(blob)
    writes: list[Callable[..., Exported]] = [export_files, export_maildir]
    for write in writes:
        exported = write(filled.bag, tmp_path / write.__name__)
        assert (exported.written, [message_id for message_id, _ in exported.failures]) == (2, [filled.first])


@pytest.mark.parametrize("name", ["plain", "a & b", "Entw\u00fcrfe", "\u53f0\u5317", "x\U0001f600y", "&&", "a+b,c"])
def test_a_folder_name_comes_back_from_its_encoding(name: str) -> None:
    assert encoded_name(name).isascii()
    assert folder_name(encoded_name(name)) == name


def test_names_are_encoded_as_rfc_3501_does() -> None:
    assert encoded_name("~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
