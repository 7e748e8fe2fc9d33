"""What an operator does with dead letters, through the functions and the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways.blobs import mail_blob_name
from infra.command_line import COMMANDS, run
from infra.dead_letters import DeadLetters
from infra.postgres_queue import queue_holder
from tests.contracts.queue import Clock
from tests.delivery_outages import BrokenFor
from tests.post_office import MAIL, PostOffice, post_office

DAY_S = 86_400


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(database_url: str, data_folder: Path, clock: Clock) -> Iterator[PostOffice]:
    with post_office(database_url, data_folder, clock_ms=clock) as made:
        made.open_mailbox("m1", "ann@example.test")
        made.open_mailbox("m2", "carl@example.test")
        yield made


@pytest.fixture
def letters(office: PostOffice, clock: Clock) -> DeadLetters:
    return letters_of(office, clock)


def letters_of(office: PostOffice, clock: Clock, **changes: Any) -> DeadLetters:
    parts = {"queue": office.queue, "blobs": office.blobs, "hostname": "mx.example.test", "clock_ms": clock}
    return DeadLetters(office.pool.connection, **(parts | changes))


@pytest.fixture
def acceptance_id(office: PostOffice) -> str:
    """Carl's message to ann lies among the dead letters."""
    envelope = office.accept(MAIL % b"1", "ann@example.test", reverse_path="carl@example.test")
    (held,) = office.queue.lease("w", limit=1, lease_s=60)
    office.queue.bury(held, 0, error="unreadable")
    return envelope.acceptance_id


def test_a_retried_letter_is_delivered(office: PostOffice, letters: DeadLetters, acceptance_id: str) -> None:
    (letter,) = letters.list()
    assert (letter.address, letter.error) == ("ann@example.test", "unreadable")
    assert letters.retry(letter)
    assert not letters.retry(letter)
    assert office.rows("SELECT holder FROM blob_references") == [(queue_holder(acceptance_id),)]
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]


def test_a_discarded_letter_is_told_to_its_sender_once(
    office: PostOffice, letters: DeadLetters, acceptance_id: str
) -> None:
    (letter,) = letters.of(acceptance_id)
    assert letters.discard(letter)
    assert not letters.discard(letter)
    office.worker().run_due()
    (told,) = office.inbox("m2")
    assert b"Status: 5.3.0\r\n" in office.blobs.read(told["blob"])
    assert office.inbox("m1") == []
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'dead:%%'") == [(0,)]


def test_after_four_days_letters_are_discarded_by_themselves(
    office: PostOffice, letters: DeadLetters, acceptance_id: str, clock: Clock
) -> None:
    clock.advance(4 * DAY_S)
    assert letters.expire(clock()) == 0
    clock.advance(1)
    assert letters.expire(clock()) == 1
    office.worker().run_due()
    assert len(office.inbox("m2")) == 1


def test_a_letter_that_cannot_be_read_is_listed_kept_and_stands_in_nobodys_way(
    office: PostOffice, acceptance_id: str, clock: Clock
) -> None:
    letters = letters_of(office, clock, at_once=1)
    ((stored,),) = office.rows("UPDATE dead_letters SET record = '\\x00', buried_at = 0 RETURNING record")
    assert stored == b"\0"
    office.accept(MAIL % b"2", "ann@example.test", reverse_path="carl@example.test")
    (held,) = office.queue.lease("w", limit=1, lease_s=60)
    office.queue.bury(held, 0, error="unreadable")
    unreadable, readable = letters.list()
    assert (unreadable.acceptance_id, unreadable.record) == (acceptance_id, None)
    assert readable.record == held.record
    clock.advance(4 * DAY_S + 1)
    assert letters.expire(clock()) == 1
    office.worker().run_due()
    assert len(office.inbox("m2")) == 1
    assert [letter.acceptance_id for letter in letters.list()] == [acceptance_id]
    assert letters.discard(unreadable)
    assert letters.list() == []
    assert office.rows("SELECT count(*) FROM blob_references WHERE holder LIKE 'dead:%%'") == [(0,)]


def test_a_letter_whose_object_cannot_be_read_now_is_kept_and_those_behind_it_are_discarded(
    office: PostOffice, acceptance_id: str, clock: Clock
) -> None:
    broken = mail_blob_name(acceptance_id, clock())
    clock.advance(1)
    office.accept(MAIL % b"2", "ann@example.test", reverse_path="carl@example.test")
    (held,) = office.queue.lease("w", limit=1, lease_s=60)
    office.queue.bury(held, 0, error="unreadable")
    blobs = BrokenFor(office.blobs, lambda name: name == broken, "read")
    letters = letters_of(office, clock, blobs=blobs)
    clock.advance(5 * DAY_S)
    with pytest.raises(OSError, match="Input/output"):
        letters.expire(clock())
    assert [letter.acceptance_id for letter in letters.list()] == [acceptance_id]


def called(office: PostOffice, monkeypatch: pytest.MonkeyPatch, data_folder: Path, *arguments: str) -> int:
    monkeypatch.setenv("LEDGERMAIL_DATABASE_URL", office.url)
    monkeypatch.setenv("LEDGERMAIL_DATA", str(data_folder))
    with pytest.raises(SystemExit) as ended:
        run(["queue", *arguments], commands=COMMANDS)
    return int(ended.value.code or 0)


def test_the_command_line_lists_shows_and_retries(
    office: PostOffice,
    acceptance_id: str,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    office.accept(MAIL % b"2", "carl@example.test")
    assert called(office, monkeypatch, data_folder, "list") == 0
    listed = capsys.readouterr().out
    assert listed.startswith("1 waiting, 1 dead letters\n")
    assert acceptance_id in listed
    assert "to carl@example.test" in listed
    assert called(office, monkeypatch, data_folder, "show", acceptance_id) == 0
    assert "unreadable" in capsys.readouterr().out
    assert called(office, monkeypatch, data_folder, "retry", acceptance_id) == 0
    office.worker().run_due()
    assert len(office.inbox("m1")) == 1


def test_the_command_line_discards_and_says_what_it_does_not_find(
    office: PostOffice,
    acceptance_id: str,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert called(office, monkeypatch, data_folder, "discard", acceptance_id, "--to", "zoe@example.test") == 1
    assert called(office, monkeypatch, data_folder, "discard", acceptance_id) == 0
    assert called(office, monkeypatch, data_folder, "show", "nothing") == 1
    told = capsys.readouterr().err
    assert "nothing: neither in the queue nor among the dead letters" in told
    assert office.rows("SELECT count(*) FROM dead_letters") == [(0,)]


def test_the_command_line_shows_what_cannot_be_read(
    office: PostOffice,
    acceptance_id: str,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = office.accept(MAIL % b"2", "carl@example.test").acceptance_id
    office.rows("UPDATE dead_letters SET record = '\\x00' RETURNING 1")
    office.rows("UPDATE queue_records SET record = '\\x00' RETURNING 1")
    assert office.queue.lease("w", limit=1, lease_s=60) == []
    assert called(office, monkeypatch, data_folder, "list") == 0
    listed = capsys.readouterr().out
    assert f"dead   {acceptance_id}" in listed
    assert f"waits  {waiting}" in listed
    assert called(office, monkeypatch, data_folder, "show", waiting) == 0
    assert "cannot be read: " in capsys.readouterr().out
    assert called(office, monkeypatch, data_folder, "show", acceptance_id) == 0
    assert "ann@example.test" in capsys.readouterr().out
