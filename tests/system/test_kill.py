"""The writer and Postgres killed again and again under load: what was acknowledged is there, once, and all agree."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domain.ids import MailboxId
from infra.blob_references import touch
from infra.embedded_postgres import EmbeddedPostgres
from infra.migrations import migrate
from infra.rebuild import rebuild_mailbox
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import assert_chain_is_intact
from tests.system.writers import BLOB, Writer, delivery, reading

KILLS = 33
LEAST_ACKNOWLEDGED = 3
"""So much must be written between two kills, or nothing would be under way."""


@pytest.fixture
def postgres(data_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_folder)
    server.start()
    yield server
    server.stop()


def write_until_killed(writer: Writer, postgres: EmbeddedPostgres, chance: random.Random) -> None:
    """Ends with the writer dead; the server may be."""
    writer.start()
    _wait_for(writer, LEAST_ACKNOWLEDGED)
    writer.process.join(chance.random() * 0.3)
    victim = chance.choice(("writer", "postgres", "both"))
    if victim == "writer":
        writer.kill()
        return
    postgres.kill()
    if victim == "both":
        writer.kill()
        return
    reached = len(writer.outcomes())
    postgres.start()
    _wait_for(writer, reached + LEAST_ACKNOWLEDGED)
    writer.kill()


def _wait_for(writer: Writer, acknowledged: int) -> None:
    deadline = time.monotonic() + 40
    while len(writer.outcomes()) < acknowledged:
        assert writer.process.exitcode is None
        assert time.monotonic() < deadline
        writer.process.join(0.005)


def repeat_what_was_not_answered(given: GivenMailboxes, writer: Writer, mailboxes: list[MailboxId]) -> set[str]:
    """As a client does after a lost answer: every command begun is sent again under its id. Answers their ids."""
    begun, answered = writer.ids_begun(), writer.outcomes()
    for command_id in begun:
        delivered = command_id.removesuffix("-read")
        mailbox_id = mailboxes[int(delivered.rpartition("-")[2]) % len(mailboxes)]
        if command_id not in answered:
            outcome = given.lane.run(delivery(mailbox_id, delivered))
            if command_id != delivered:
                given.lane.run(reading(mailbox_id, command_id, outcome.answer["id"]))
    return set(begun)


@pytest.mark.timeout(300)
def test_whatever_is_killed_every_acknowledged_command_is_there_exactly_once(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    url, chance = postgres.start(), random.Random(11)
    migrate(url)
    with psycopg.connect(url) as connection:
        touch(connection, {BLOB: 1})
    with given_mailboxes(url, tmp_path) as given:
        mailboxes = [given.open(f"a{n}@example.test") for n in range(3)]
    begun: set[str] = set()
    acknowledged: dict[str, tuple[str, int, int]] = {}
    for kill in range(KILLS):
        writer = Writer(url, tmp_path, mailboxes, name=f"w{kill}")
        write_until_killed(writer, postgres, chance)
        postgres.start()
        acknowledged |= writer.outcomes()
        with given_mailboxes(url, tmp_path) as given:
            begun |= repeat_what_was_not_answered(given, writer, mailboxes)
            if kill % 8 == 0:
                assert [found for box in mailboxes for found in given.differences(box)] == []
    with given_mailboxes(url, tmp_path) as given:
        assert_each_happened_once(given, mailboxes, begun, acknowledged)
        for mailbox_id in mailboxes:
            assert_chain_is_intact(given, mailbox_id)
            assert given.differences(mailbox_id) == []
            assert rebuild_mailbox(url, given.reader, mailbox_id).differences == ()
            assert given.differences(mailbox_id) == []


def assert_each_happened_once(
    given: GivenMailboxes,
    mailboxes: list[MailboxId],
    begun: set[str],
    acknowledged: dict[str, tuple[str, int, int]],
) -> None:
    assert len(acknowledged) >= KILLS * LEAST_ACKNOWLEDGED
    found: Counter[tuple[str, str]] = Counter()
    seqs: dict[str, list[int]] = {}
    for mailbox_id in mailboxes:
        for event in given.reader.recorded(mailbox_id):
            if event.who.command_id != "open":
                found[event.who.command_id, event.topic] += 1
                seqs.setdefault(event.who.command_id, []).append(event.seq)
    expected = {(one, "KeywordsChanged" if one.endswith("-read") else "MessageDelivered") for one in begun}
    assert {key for key in found if key[1] != "ThreadsJoined"} == expected
    assert {count for (_, topic), count in found.items() if topic != "ThreadsJoined"} == {1}
    for command_id, (_, first, last) in acknowledged.items():
        assert seqs[command_id] == list(range(first, last + 1))
