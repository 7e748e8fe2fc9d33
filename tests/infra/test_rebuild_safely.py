"""A rebuild never takes rows away that somebody reads: one at a time, and no switch to rows that differ."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.decisions import EraseMailbox, Modify
from domain.ids import MailboxId
from infra.rebuild import RebuildUnderWayError, Rebuilt, rebuild_mailbox, verify_mailbox
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from tests.post_office import MAIL, PostOffice, post_office

MAILS = 6
GENERATIONS = "SELECT generation, count(*) FROM messages WHERE mailbox_id = 'm1' GROUP BY 1 ORDER BY 1"


@pytest.fixture
def office(database_url: str, data_folder: Path) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder) as opened:
        yield opened


@pytest.fixture
def reader(office: PostOffice) -> Iterator[StreamReader]:
    with datastore(office.url, pool_size=1) as store:
        yield StreamReader(MailboxRecorder(store), office.keys)


@pytest.fixture
def mailbox_id(office: PostOffice) -> MailboxId:
    opened = office.open_mailbox("m1", "ann@example.test")
    for number in range(MAILS):
        office.accept(MAIL % b"%d" % number, "ann@example.test")
    office.worker().run_due()
    return opened


def test_a_second_rebuild_of_a_mailbox_is_refused_while_one_is_under_way(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", 2)
    monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", 0)
    refused = []

    def meanwhile(_done: int, _head: int) -> None:
        with pytest.raises(RebuildUnderWayError, match="m1 is being rebuilt by another process"):
            rebuild_mailbox(office.url, reader, mailbox_id)
        refused.append(1)

    assert rebuild_mailbox(office.url, reader, mailbox_id, meanwhile).differences == ()
    assert len(refused) > 2
    assert verify_mailbox(office.url, reader, mailbox_id) == []
    assert office.rows(GENERATIONS) == [(2, MAILS)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE labels SET total = total + 1 {} AND label_id = 'INBOX'", "label INBOX"),
        ("UPDATE threads SET total = total + 1 {}", "threads: "),
        ("UPDATE messages SET size = size + 1 {}", "messages: "),
        ("UPDATE memberships SET unread = NOT unread {}", "memberships: "),
    ],
)
def test_rows_that_differ_are_switched_to_only_by_force(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId, change: str, said: str
) -> None:
    where = "WHERE mailbox_id = 'm1' AND generation = 1"
    office.rows(f"{change.format(where)} RETURNING 1")
    for _again in range(2):
        rebuilt = rebuild_mailbox(office.url, reader, mailbox_id)
        assert (rebuilt.switched, any(found.startswith(said) for found in rebuilt.differences)) == (False, True)
        assert office.rows(GENERATIONS) == [(1, MAILS), (2, MAILS)]
        assert office.rows("SELECT generation FROM mailboxes") == [(1,)]
    forced = rebuild_mailbox(office.url, reader, mailbox_id, force=True)
    assert (forced.switched, forced.differences) == (True, rebuilt.differences)
    assert office.rows(GENERATIONS) == [(2, MAILS)]
    assert verify_mailbox(office.url, reader, mailbox_id) == []


def test_what_a_refused_rebuild_left_is_built_once_more_before_it_is_held_against_the_rows_again(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    office.rows("UPDATE messages SET size = size + 1 WHERE mailbox_id = 'm1' RETURNING 1")
    assert not rebuild_mailbox(office.url, reader, mailbox_id).switched
    office.rows("UPDATE messages SET size = size - 1 WHERE mailbox_id = 'm1' AND generation = 1 RETURNING 1")
    office.rows("UPDATE messages SET size = size + 9 WHERE mailbox_id = 'm1' AND generation = 2 RETURNING 1")
    assert rebuild_mailbox(office.url, reader, mailbox_id) == Rebuilt(mailbox_id, MAILS + 1, (), True)
    assert verify_mailbox(office.url, reader, mailbox_id) == []
    assert office.rows(GENERATIONS) == [(2, MAILS)]


def test_an_erased_mailbox_stays_erased_and_its_rows_go(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    office.lane.run(EraseMailbox(mailbox_id=mailbox_id, command_id="erase", why="asked for"))
    office.keys.destroy(mailbox_id)
    assert verify_mailbox(office.url, reader, mailbox_id) == []
    rebuilt = rebuild_mailbox(office.url, reader, mailbox_id)
    assert (rebuilt.switched, rebuilt.differences) == (True, ())
    assert office.rows("SELECT erased FROM mailboxes") == [(True,)]
    assert office.rows(GENERATIONS) == []


def test_messages_whose_salts_were_destroyed_are_no_difference(
    office: PostOffice, reader: StreamReader, mailbox_id: MailboxId
) -> None:
    ids = tuple(message["id"] for message in office.inbox(mailbox_id)[:3])
    office.lane.run(Modify(mailbox_id=mailbox_id, command_id="read", ids=ids, add_keywords=("$seen",)))
    assert len(office.rows("DELETE FROM message_salts WHERE mailbox_id = 'm1' RETURNING 1")) == MAILS
    assert rebuild_mailbox(office.url, reader, mailbox_id).differences == ()
