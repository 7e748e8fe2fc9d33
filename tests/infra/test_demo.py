"""The demonstration is there once, varied, and the same to every view."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.mailbox_state import MailboxState
from gateways.mail_objects import read_mail
from gateways.mime.parse import parse
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.demo import make_demo
from infra.followers import Follower, fan_out
from infra.rebuild import verify_mailbox
from infra.settings import load
from infra.trail.view import ToldView


@pytest.fixture
def parts(database_url: str, data_folder: Path) -> Iterator[Parts]:
    with Parts(load({"LEDGERMAIL_DATA": str(data_folder), "LEDGERMAIL_DATABASE_URL": database_url})) as made:
        yield made


def test_the_demonstration_is_varied_and_made_once(parts: Parts) -> None:
    said: list[str] = []
    first = make_demo(parts, say=said.append)
    assert 250 < first.added < 600
    assert first.alice.address == "alice@example.test"
    assert first.alice.password != first.bob.password
    again = make_demo(parts, say=said.append)
    assert (again.added, again.alice.password) == (0, None)
    alice = parts.accounts.at("alice@example.test")
    assert verify_mailbox(parts.conninfo, parts.reader, alice.mailbox_id) == []
    state = MailboxState.replay(parts.reader.recorded(alice.mailbox_id))
    rows = state.rows()
    labels = {row["name"]: row for row in rows["labels"].values()}
    assert {"INBOX", "Work", "Harbour", "Travel", "Newsletters", "Receipts"} <= labels.keys()
    assert labels["DRAFTS"]["total"] == 1
    assert labels["INBOX"]["unread"] > 5
    assert labels["SPAM"]["total"] == 9
    assert len(rows["drafts"]) == 1
    messages = list(rows["messages"].values())
    assert len({message["thread_id"] for message in messages}) < len(messages) - 20
    assert any(message["has_attachment"] for message in messages)


def test_nobody_accepted_its_mails_and_the_log_does_not_name_them(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    make_demo(parts, say=lambda _line: None)
    with caplog.at_level("INFO", logger="ledgermail.mail"), parts.connect() as connection:
        follower = Follower(parts.conninfo, parts.reader, ToldView(ContactsView()))
        while fan_out(connection, ["contacts"]) + follower.step(connection):
            pass
        followed = connection.execute("SELECT count(*) FROM followers WHERE applied_seq > 50").fetchone()
    assert followed == (2,)
    assert caplog.messages == []


def test_newsletters_show_their_own_images_and_large_files_are_split_out(parts: Parts) -> None:
    make_demo(parts, say=lambda _line: None, password="correct horse 77 battery")
    with parts.connect() as connection:
        blobs = [row[0] for row in connection.execute("SELECT DISTINCT blob FROM messages").fetchall()]
    parsed = [parse(read_mail(parts.blobs, blob)) for blob in blobs]
    assert any(one.inline and one.content_id for mail in parsed for one in mail.attachments)
    assert any(name.startswith("attachments/") for name in parts.blobs.names(""))
    subjects = {mail.summary.subject for mail in parsed}
    assert {"来週の打ち合わせについて", "Über die Brücke", "周末的茶会", "서울 출장 일정"} <= subjects
