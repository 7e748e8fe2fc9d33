"""What an owner is to be told is written by the append that brought it about, and by no other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decisions import DeleteMessages, Deliver, SetQuota
from domain.refusals import MailboxFullError
from infra.blob_references import touch
from infra.rebuild import rebuild_mailbox
from tests.domain.decided_mailbox import NOW_MS, PERSONAL, server
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.random_commands import Clock


class Filling:
    """A mailbox of 1000 bytes that fills up; its lane's clock can be held while commands wait together."""

    def __init__(self, given: GivenMailboxes, clock: Clock) -> None:
        self.given, self.clock = given, clock
        self.mailbox_id = given.open(quota_bytes=1000)
        self.numbers = 0

    def delivery(self, size: int, **fields: Any) -> Deliver:
        self.numbers += 1
        made = server(own=f"{self.numbers}")
        with psycopg.connect(self.given.url) as connection:
            touch(connection, {made.blob: 1})
        wanted: dict[str, Any] = {"labels": ("INBOX",), "source": "inbound", "received_at": NOW_MS}
        wanted |= {"mailbox_id": self.mailbox_id, "command_id": f"c{self.numbers}", "personal": PERSONAL}
        return Deliver(**wanted | {"server": made, "size": size} | fields)

    def deliver(self, size: int) -> str:
        return str(self.given.lane.run(self.delivery(size)).answer["id"])

    def notices(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.given.url) as connection:
            query = "SELECT mailbox_id, kind, detail, used_bytes, limit_bytes FROM notices ORDER BY detail"
            return connection.execute(query).fetchall()


@pytest.fixture
def filling(database_url: str, tmp_path: Path) -> Iterator[Filling]:
    clock = Clock()
    with given_mailboxes(database_url, tmp_path, clock_ms=clock) as given:
        yield Filling(given, clock)


def test_the_append_that_passes_a_level_leaves_a_notice(filling: Filling) -> None:
    filling.deliver(790)
    assert filling.notices() == []
    filling.deliver(10)
    assert filling.notices() == [(filling.mailbox_id, "quota", 80, 800, 1000)]
    filling.deliver(10)
    assert len(filling.notices()) == 1


def test_a_command_that_is_repeated_leaves_no_second_one(filling: Filling) -> None:
    command = filling.delivery(800)
    filling.given.lane.run(command)
    with psycopg.connect(filling.given.url) as connection:
        connection.execute("DELETE FROM notices")
    assert filling.given.lane.run(command).repeated
    assert filling.notices() == []


def test_levels_passed_in_one_gathered_commit_leave_a_notice_each(filling: Filling) -> None:
    other = filling.given.open("bob@example.test", quota_bytes=1000)
    sizes = [(filling.mailbox_id, 800), (other, 950), (filling.mailbox_id, 100)]
    filling.clock.hold()
    try:
        futures = [filling.given.lane.submit(filling.delivery(10))]
        futures += [filling.given.lane.submit(filling.delivery(size, mailbox_id=m)) for m, size in sizes]
    finally:
        filling.clock.release()
    for future in futures:
        future.result(10)
    levels = [(mailbox_id, detail) for mailbox_id, _, detail, _, _ in filling.notices()]
    assert levels == [(filling.mailbox_id, 80), (filling.mailbox_id, 90), (other, 95)]


def test_an_append_that_is_refused_leaves_none(filling: Filling) -> None:
    filling.deliver(700)
    with pytest.raises(MailboxFullError):
        filling.given.lane.run(filling.delivery(400, limit_quota=True, source="import"))
    assert filling.notices() == []


def test_an_append_that_fails_after_its_decision_leaves_none(filling: Filling) -> None:
    never_touched = server(own="never touched")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        filling.given.lane.run(filling.delivery(900, server=never_touched))
    assert filling.notices() == []


def delete_for_good(filling: Filling, message_id: str) -> None:
    for step in ("trash", "gone"):
        command = DeleteMessages(mailbox_id=filling.mailbox_id, command_id=f"{step} {message_id}", ids=(message_id,))
        filling.given.lane.run(command)


def test_a_notice_that_waits_already_is_not_doubled(filling: Filling) -> None:
    large = filling.deliver(850)
    delete_for_good(filling, large)
    filling.deliver(820)
    assert filling.notices() == [(filling.mailbox_id, "quota", 80, 850, 1000)]


def test_an_append_does_not_wait_for_a_notice_that_is_in_hand(filling: Filling) -> None:
    large = filling.deliver(850)
    delete_for_good(filling, large)
    with psycopg.connect(filling.given.url) as connection:
        connection.execute("SELECT 1 FROM notices FOR UPDATE")
        filling.deliver(820)
    assert len(filling.notices()) == 1


def test_a_smaller_quota_leaves_one_too(filling: Filling) -> None:
    filling.deliver(100)
    filling.given.lane.run(SetQuota(mailbox_id=filling.mailbox_id, command_id="q", limit_bytes=0))
    assert filling.notices() == [(filling.mailbox_id, "quota", 95, 100, 0)]


def test_a_rebuild_tells_nobody_again(filling: Filling) -> None:
    filling.deliver(800)
    with psycopg.connect(filling.given.url) as connection:
        connection.execute("DELETE FROM notices")
    rebuild_mailbox(filling.given.url, filling.given.reader, filling.mailbox_id)
    assert filling.notices() == []
