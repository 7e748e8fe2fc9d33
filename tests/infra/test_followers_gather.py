"""How often a follower takes a step: at once after a quiet time, without a pause in a backlog, else once a second."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.events import RecordedEvent
from domain.ids import MailboxId
from infra.blob_references import touch
from infra.followers import Follower, fan_out
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.writers import BLOB, delivery

GATHER_S, POLL_S = 1000.0, 0.25


class Steps:
    """A view that notes the seqs of each step."""

    name = "steps"

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self._seqs: list[int] = []

    def reached(self, _mailbox_id: MailboxId, applied_seq: int) -> int:
        return applied_seq

    def apply(self, _connection: Any, _mailbox_id: MailboxId, events: Sequence[RecordedEvent]) -> int:
        self._seqs += [event.seq for event in events]
        return events[-1].seq

    def settle(self) -> None:
        self.taken.append(self._seqs)
        self._seqs = []


class Pauses(threading.Event):
    """Something happens during each pause, instead of time passing; after the last one the follower is stopped."""

    def __init__(self, *happening: Callable[[], None]) -> None:
        super().__init__()
        self.asked_s: list[float] = []
        self._happening = iter(happening)

    def wait(self, timeout: float | None = None) -> bool:
        self.asked_s.append(timeout or 0.0)
        happens = next(self._happening, self.set)
        happens()
        return self.is_set()


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with psycopg.connect(database_url) as connection:
        touch(connection, {BLOB: 1})
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


@pytest.fixture
def view() -> Steps:
    return Steps()


def deliver(given: GivenMailboxes, mailbox_id: MailboxId, *names: str) -> None:
    """Each delivered and fanned out by itself."""
    for name in names:
        given.lane.run(delivery(mailbox_id, name))
        with psycopg.connect(given.url, autocommit=True) as connection:
            fan_out(connection, ["steps"])


def run(given: GivenMailboxes, view: Steps, pauses: Pauses, **bounds: int) -> list[str]:
    """Which pauses were made: to gather, or to look again."""
    follower = Follower(given.url, given.reader, view, **bounds)
    follower.run(pauses, poll_s=POLL_S, gather_s=GATHER_S)
    return ["poll" if asked == POLL_S else "gather" for asked in pauses.asked_s if asked <= GATHER_S]


def test_mail_that_trickles_in_is_gathered_into_one_step(given: GivenMailboxes, view: Steps) -> None:
    mailbox_id = given.open()
    deliver(given, mailbox_id, "d1")
    pauses = Pauses(lambda: deliver(given, mailbox_id, "d2", "d3", "d4"))
    assert run(given, view, pauses) == ["gather", "gather"]
    assert view.taken == [[1, 2], [3, 4, 5]]


def test_mail_after_a_quiet_time_is_applied_without_a_pause(given: GivenMailboxes, view: Steps) -> None:
    mailbox_id = given.open()
    pauses = Pauses(lambda: deliver(given, mailbox_id, "d1"), lambda: None, lambda: deliver(given, mailbox_id, "d2"))
    assert run(given, view, pauses) == ["poll", "gather", "poll", "gather"]
    assert view.taken == [[1, 2], [3]]


def test_a_backlog_beyond_one_step_is_worked_off_without_a_pause(given: GivenMailboxes, view: Steps) -> None:
    mailbox_id = given.open()
    deliver(given, mailbox_id, "d1", "d2", "d3", "d4")
    assert run(given, view, Pauses(), batch_events=2) == ["gather"]
    assert view.taken == [[1, 2], [3, 4], [5]]


def test_more_mailboxes_than_a_step_takes_are_worked_off_without_a_pause(given: GivenMailboxes, view: Steps) -> None:
    for number in range(3):
        deliver(given, given.open(f"a{number}@example.test"), "d1")
    assert run(given, view, Pauses(), mailboxes=2) == ["gather"]
    assert view.taken == [[1, 2, 1, 2], [1, 2]]
