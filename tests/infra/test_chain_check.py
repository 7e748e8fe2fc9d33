"""What a check of the chain finds, and where."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domain.chain import event_hash
from domain.decisions import CreateLabel
from domain.ids import MailboxId
from infra.chain_check import CheckedChain, check_chain, mailboxes_with_chains
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes

LABELS = 5
HEAD = LABELS + 1


@pytest.fixture
def given(database_url: str, data_folder: Path) -> Iterator[GivenMailboxes]:
    with given_mailboxes(database_url, data_folder) as made:
        yield made


@pytest.fixture
def mailbox_id(given: GivenMailboxes) -> MailboxId:
    opened = given.open()
    for number in range(LABELS):
        given.lane.run(CreateLabel(mailbox_id=opened, command_id=f"c{number}", path=f"label {number}"))
    return opened


def check(given: GivenMailboxes, mailbox_id: MailboxId) -> CheckedChain:
    with psycopg.connect(given.url, autocommit=True) as connection:
        return check_chain(connection, given.recorder, given.keys, mailbox_id=mailbox_id)


def alter(given: GivenMailboxes, statement: str, mailbox_id: MailboxId) -> None:
    with psycopg.connect(given.url) as connection:
        assert connection.execute(statement.encode(), {"m": mailbox_id}).rowcount == 1


def test_a_chain_that_nobody_touched_holds(given: GivenMailboxes, mailbox_id: MailboxId) -> None:
    assert check(given, mailbox_id) == CheckedChain(mailbox_id, HEAD, 0, None)


@pytest.mark.parametrize(
    ("change", "seq", "said"),
    [
        ("UPDATE stored_events SET state = set_byte(state, 40, get_byte(state, 40) # 1) {}", 3, "its hash"),
        ("UPDATE stored_events SET topic = 'LabelDeleted' {}", 3, "its hash"),
        ("UPDATE stored_events SET recorded_at = recorded_at + 1 {}", 3, "its hash"),
        ("UPDATE stored_events SET key_id = 'kother' {}", 3, "its hash"),
        ("UPDATE stored_events SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) {}", 3, "its hash"),
        ("DELETE FROM stored_events {}", 3, "missing"),
        ("DELETE FROM stored_events WHERE originator_id = %(m)s AND originator_version = 6", 6, "missing"),
        ("UPDATE mailboxes SET head = 7 WHERE mailbox_id = %(m)s", 7, "missing"),
        ("UPDATE mailboxes SET head = 4 WHERE mailbox_id = %(m)s", 5, "above the head"),
        ("UPDATE mailboxes SET head_hash = sha256('x') WHERE mailbox_id = %(m)s", 6, "head hash"),
        ("DELETE FROM mailboxes WHERE mailbox_id = %(m)s", 1, "row is gone"),
    ],
)
def test_a_change_is_found_where_it_was_made(
    given: GivenMailboxes, mailbox_id: MailboxId, change: str, seq: int, said: str
) -> None:
    alter(given, change.format("WHERE originator_id = %(m)s AND originator_version = 3"), mailbox_id)
    broken = check(given, mailbox_id).broken
    assert broken is not None
    assert (broken.seq, said in broken.reason) == (seq, True)


def test_a_row_that_was_hashed_anew_but_not_sealed_anew_does_not_open(
    given: GivenMailboxes, mailbox_id: MailboxId
) -> None:
    """Whoever can write the database but has no key cannot forge the last event, though he can hash."""
    rows = list(given.recorder.stream(mailbox_id))
    forged = bytes([rows[-1].state[0] ^ 1]) + rows[-1].state[1:]
    last = rows[-1]
    hashed = event_hash(
        rows[-2].hash,
        mailbox_id,
        last.seq,
        topic=last.topic,
        recorded_at=last.recorded_at,
        key_id=last.key_id,
        sealed=forged,
    )
    with psycopg.connect(given.url) as connection:
        connection.execute(
            "UPDATE stored_events SET state = %s, hash = %s WHERE originator_id = %s AND originator_version = %s",
            (forged, hashed, mailbox_id, last.seq),
        )
        connection.execute("UPDATE mailboxes SET head_hash = %s WHERE mailbox_id = %s", (hashed, mailbox_id))
    broken = check(given, mailbox_id).broken
    assert broken is not None
    assert (broken.seq, "does not open" in broken.reason) == (HEAD, True)


def test_events_whose_key_was_destroyed_are_redacted_and_still_chained(
    given: GivenMailboxes, mailbox_id: MailboxId
) -> None:
    given.keys.destroy(mailbox_id)
    assert check(given, mailbox_id) == CheckedChain(mailbox_id, HEAD, HEAD, None)


def test_a_stream_without_a_mailbox_row_is_among_those_to_check(given: GivenMailboxes, mailbox_id: MailboxId) -> None:
    other = given.open("bob@example.test")
    alter(given, "DELETE FROM mailboxes WHERE mailbox_id = %(m)s", mailbox_id)
    with psycopg.connect(given.url, autocommit=True) as connection:
        assert mailboxes_with_chains(connection) == sorted([mailbox_id, other])
