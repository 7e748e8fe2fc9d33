"""Commands gathered into one commit: each as if it had been alone, and the guilty one alone at fault."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation

from domain import decisions as d
from domain.commands import Outcome, Refusal
from domain.events import SubmissionRecipient
from domain.ids import MailboxId
from domain.rows import Needs
from domain.threading import ref
from infra.blob_references import touch
from infra.rebuild import rebuild_mailbox
from infra.store.lane import CommandReusedError
from tests.domain.decided_mailbox import PERSONAL, composed, server
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import assert_chain_is_intact, rows_of
from tests.system.random_commands import Clock


class Held:
    """Mailboxes whose lane is held while commands wait in it together."""

    def __init__(self, given: GivenMailboxes, clock: Clock) -> None:
        self.given, self.clock = given, clock
        self.mailbox_id = given.open()
        self.numbers = 0

    def delivery(self, own: str, *mentions: str, blob: str = "", **fields: Any) -> d.Deliver:
        self.numbers += 1
        made = server(own=own, mentions=mentions)
        if blob:
            made = msgspec.structs.replace(made, blob=blob)
        wanted: dict[str, Any] = {"labels": ("INBOX",), "source": "inbound", "size": 10, "received_at": 1}
        command_id = fields.pop("command_id", f"c{self.numbers}")
        return d.Deliver(
            mailbox_id=self.mailbox_id, command_id=command_id, personal=PERSONAL, server=made, **wanted | fields
        )

    def run(self, *commands: Any) -> list[Outcome]:
        for command in commands:
            self.touch(command)
        return [self.given.lane.run(command) for command in commands]

    def gather(self, *commands: Any) -> "list[Future[Outcome]]":
        for command in commands:
            self.touch(command)
        self.clock.hold()
        try:
            return [self.given.lane.submit(command) for command in (self.delivery_under_way(), *commands)][1:]
        finally:
            self.clock.release()

    def delivery_under_way(self) -> Any:
        self.touch(command := self.delivery(f"first{self.numbers}"))
        return command

    def touch(self, command: Any) -> None:
        blobs = [command.server.blob] if hasattr(command, "server") else []
        with psycopg.connect(self.given.url) as connection:
            touch(connection, {name: 1 for name in (*blobs, "attachments/aa") if "untouched" not in name})


@pytest.fixture
def held(database_url: str, tmp_path: Path) -> Iterator[Held]:
    clock = Clock()
    with given_mailboxes(database_url, tmp_path, clock_ms=clock) as given:
        yield Held(given, clock)


def test_joins_that_follow_each_other_in_one_commit_lead_every_reference_to_the_last_thread(held: Held) -> None:
    held.run(
        held.delivery("x", "only mentioned by x"),
        held.delivery("y"),
        held.delivery("y2", "y"),
        *[held.delivery(f"z{n}", *(["z0"] if n else [])) for n in range(6)],
    )
    bridged = [
        future.result(10) for future in held.gather(held.delivery("b1", "x", "y"), held.delivery("b2", "y", "z0"))
    ]
    assert held.given.differences(held.mailbox_id) == []
    references = held.given.fold(held.mailbox_id).rows()["references"]
    assert references[ref("only mentioned by x")]["thread_id"] == bridged[1].answer["thread_id"]


@pytest.mark.parametrize("batch", [9, 1000])
def test_so_do_joins_that_follow_each_other_in_one_batch_of_a_rebuild(
    held: Held, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    test_joins_that_follow_each_other_in_one_commit_lead_every_reference_to_the_last_thread(held)
    monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", batch)
    monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", 0)
    rebuild_mailbox(held.given.url, held.given.reader, held.mailbox_id)
    assert held.given.differences(held.mailbox_id) == []


def test_a_join_gathered_with_a_change_of_the_moved_message_takes_its_submission_along(held: Held) -> None:
    envelope = {"mail_from": "a@example.test", "recipients": (SubmissionRecipient("b@example.test"),)}
    times = {"send_at_ms": 1, "undo_until_ms": 1, "stream": "personal"}
    with psycopg.connect(held.given.url) as connection:
        touch(connection, {"emails/sent.eml": 1, "attachments/aa": 1})
    base = {"mailbox_id": held.mailbox_id, "message": composed("sent")}
    (sent,) = held.run(d.SubmitNew(command_id="s", **base, **envelope, **times))
    held.run(held.delivery("t1"), held.delivery("t2", "t1"))
    read = d.Modify(
        mailbox_id=held.mailbox_id,
        command_id="read",
        ids=(sent.answer["message_id"],),
        add_keywords=("work",),
    )
    for future in held.gather(read, held.delivery("bridge", "sent", "t1")):
        future.result(10)
    assert held.given.differences(held.mailbox_id) == []


def test_one_refusal_among_a_hundred_is_its_own(held: Held) -> None:
    good = [held.delivery(f"g{n}") for n in range(99)]
    bad = d.Modify(mailbox_id=held.mailbox_id, command_id="bad", ids=("nobody",), add_keywords=("$seen",))
    futures = held.gather(*good[:50], bad, *good[50:])
    with pytest.raises(Refusal, match="no such message"):
        futures.pop(50).result(10)
    seqs = [future.result(10).seq for future in futures]
    assert seqs == list(range(seqs[0], seqs[0] + 99))
    assert assert_chain_is_intact(held.given, held.mailbox_id) == seqs[-1]
    assert held.given.differences(held.mailbox_id) == []


class Broken(d.RecordPasswordChange, frozen=True, kw_only=True):
    """A decision with a mistake in it."""

    def gather(self, appending: Any) -> Any:
        raise ZeroDivisionError("a mistake")


class Endless(d.RecordPasswordChange, frozen=True, kw_only=True):
    """A decision that never has enough rows."""

    def gather(self, appending: Any) -> Any:
        appending.rows.message(appending.context.new_id("m"))
        raise AssertionError("the row was there")


@pytest.mark.parametrize("kind", ["foreign key", "exception", "NUL in the command id", "rows without end"])
def test_one_failure_among_a_hundred_is_its_own(held: Held, kind: str) -> None:
    common = {"mailbox_id": held.mailbox_id, "by": "owner"}
    bad, error = {
        "foreign key": (held.delivery("bad", blob="emails/untouched.eml"), ForeignKeyViolation),
        "exception": (Broken(command_id="bad", **common), ZeroDivisionError),
        "NUL in the command id": (d.RecordPasswordChange(command_id="b\0d", **common), psycopg.DataError),
        "rows without end": (Endless(command_id="bad", **common), RuntimeError),
    }[kind]
    good = [held.delivery(f"g{n}") for n in range(99)]
    futures = held.gather(*good[:50], bad, *good[50:])
    with pytest.raises(error):
        futures.pop(50).result(20)
    assert len({future.result(20).seq for future in futures}) == 99
    assert assert_chain_is_intact(held.given, held.mailbox_id) == 1 + 1 + 99
    assert held.given.differences(held.mailbox_id) == []


@pytest.mark.parametrize("waiting", [1, 20])
def test_commands_whose_caller_gave_up_hold_nobody_up(held: Held, waiting: int) -> None:
    held.clock.hold()
    under_way = held.given.lane.submit(held.delivery_under_way())
    deliveries = [held.delivery(f"g{n}") for n in range(waiting)]
    for command in deliveries:
        held.touch(command)
    futures = [held.given.lane.submit(command) for command in deliveries]
    given_up = [future.cancel() for future in futures[::2]]
    held.clock.release()
    assert under_way.result(10).seq == 2
    assert all(given_up)
    assert all(future.result(10).seq > 2 for future in futures[1::2])
    assert held.run(held.delivery("after"))[0].seq == assert_chain_is_intact(held.given, held.mailbox_id)
    assert held.given.differences(held.mailbox_id) == []


def test_the_same_command_twice_in_one_commit_happens_once_and_another_under_its_id_is_refused(held: Held) -> None:
    read = d.RecordPasswordChange(mailbox_id=held.mailbox_id, command_id="same", by="owner")
    other = d.RecordPasswordChange(mailbox_id=held.mailbox_id, command_id="same", by="operator")
    first, again, reused = held.gather(read, read, other)
    assert (again.result(10).seq, again.result(10).answer) == (first.result(10).seq, first.result(10).answer)
    assert (first.result(10).repeated, again.result(10).repeated) == (False, True)
    with pytest.raises(CommandReusedError):
        reused.result(10)
    assert assert_chain_is_intact(held.given, held.mailbox_id) == first.result(10).seq


def test_mailboxes_without_row_or_key_are_refused_beside_others_that_go_on(held: Held) -> None:
    gone = held.given.open("gone@example.test")
    held.given.keys.destroy(gone)
    strangers = [
        d.RecordPasswordChange(mailbox_id=MailboxId(name), command_id="p", by="owner") for name in (gone, "nobody")
    ]
    *refused, delivered = held.gather(*strangers, held.delivery("after"))
    for future in refused:
        with pytest.raises(Refusal):
            future.result(10)
    assert delivered.result(10).seq == assert_chain_is_intact(held.given, held.mailbox_id)


def test_what_a_decision_asks_for_besides_is_loaded_under_the_same_lock(held: Held) -> None:
    (first,) = held.run(held.delivery("x"))
    wanted = first.answer["id"]

    class Curious(d.RecordPasswordChange, frozen=True, kw_only=True):
        def needs(self) -> Needs:
            return Needs()

        def gather(self, appending: Any) -> Any:
            return {"blob": appending.rows.message(wanted).blob}

    (seen,) = held.run(Curious(mailbox_id=held.mailbox_id, command_id="look", by="owner"))
    assert seen.answer["blob"] == rows_of(held.given, held.mailbox_id)["messages"][wanted]["blob"]
