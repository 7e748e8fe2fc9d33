"""Events of other versions: what an older one wrote is shown as this one writes it; what a newer one wrote waits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from domain.client_fold import ClientFold
from domain.decisions import RecordPasswordChange
from domain.events import Event
from domain.mailbox_state import MailboxState
from domain.stored_form import UnknownTopicError
from infra.followers import Follower, fan_out, lags, sweep
from infra.rebuild import rebuild_mailbox
from infra.store.mapper import Mapper
from infra.store.reading import StreamReader
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import assert_chain_is_intact, rows_of, sync_page


class ContactChangedOnce(Event, frozen=True, kw_only=True):
    """What an older version wrote of a contact: one address, `label` for the note."""

    TOPIC = "ContactChanged.0"
    contact_id: str
    name: str
    address: str
    label: str


class PasswordChangedLater(Event, frozen=True, kw_only=True):
    """What a newer version writes."""

    TOPIC = "PasswordChanged.9"
    how: str


class Append(RecordPasswordChange, frozen=True, kw_only=True):
    """As the other version's commands append."""

    event: Any

    def gather(self, appending: Any) -> Any:
        appending.add(self.event)
        return {}


def to_many_addresses(sections: dict[str, Any]) -> dict[str, Any]:
    old = sections["structure"]
    structure = {"contact_id": old["contact_id"], "name": old["name"], "addresses": [old["address"]]}
    return sections | {"structure": structure}


def with_note(sections: dict[str, Any]) -> dict[str, Any]:
    return sections | {"structure": sections["structure"] | {"note": "kept", "removed": False}}


UPCASTERS = {
    "ContactChanged.0": ("ContactChanged.1", to_many_addresses),
    "ContactChanged.1": ("ContactChanged", with_note),
}


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Iterator[GivenMailboxes]:
    with given_mailboxes(database_url, tmp_path) as mailboxes:
        yield mailboxes


def append(given: GivenMailboxes, mailbox_id: str, event: Event, command_id: str) -> None:
    given.lane.run(Append(mailbox_id=mailbox_id, command_id=command_id, by="", event=event))


@pytest.fixture
def old(given: GivenMailboxes) -> str:
    """A mailbox in which an older version wrote a contact."""
    mailbox_id = given.open()
    event = ContactChangedOnce(contact_id="k1", name="Bob", address="bob@example.net", label="x")
    append(given, mailbox_id, event, "old")
    return mailbox_id


def test_an_event_of_the_first_version_is_shown_in_the_newest_by_sync(given: GivenMailboxes, old: str) -> None:
    reader = StreamReader(given.recorder, given.keys, Mapper(UPCASTERS))
    (shown,) = sync_page(reader, old, 1, 10)["events"]
    assert (shown["seq"], shown["type"]) == (2, "ContactChanged")
    assert shown["data"] == {
        "contact_id": "k1",
        "name": "Bob",
        "addresses": ["bob@example.net"],
        "note": "kept",
        "removed": False,
    }


def test_it_folds_and_rebuilds_as_the_newest_version_and_lies_as_it_was_written(
    given: GivenMailboxes, old: str
) -> None:
    reader = StreamReader(given.recorder, given.keys, Mapper(UPCASTERS))
    state = MailboxState.replay(reader.recorded(old))
    assert [(one["name"], one["addresses"], one["note"]) for one in state.contacts()] == [
        ("Bob", ["bob@example.net"], "kept")
    ]
    rebuild_mailbox(given.url, reader, old, force=True)
    stored = rows_of(given, old)["documents"]["contact", "k1"]
    assert msgspec.json.decode(stored["body"])["addresses"] == ["bob@example.net"]
    assert [row.topic for row in given.reader.rows(old)] == ["MailboxOpened", "ContactChanged.0"]
    assert assert_chain_is_intact(given, old) == 2


def test_a_newer_versions_event_is_never_skipped_by_a_reader(given: GivenMailboxes) -> None:
    mailbox_id = given.open()
    append(given, mailbox_id, PasswordChangedLater(how="passkey"), "new")
    with pytest.raises(UnknownTopicError, match=r"PasswordChanged\.9"):
        list(given.reader.recorded(mailbox_id))
    with pytest.raises(UnknownTopicError):
        given.reader.page(mailbox_id, 0, limit=10)
    client = ClientFold()
    client.apply_events(sync_page(given.reader, mailbox_id, 0, 1))
    assert client.seq == 1


class Noting:
    """A view that notes what it was given."""

    name = "noting"

    def __init__(self) -> None:
        self.applied: list[tuple[str, int]] = []

    def reached(self, mailbox_id: str, applied_seq: int) -> int:
        return applied_seq

    def apply(self, connection: Any, mailbox_id: str, events: Any) -> int:
        self.applied += [(mailbox_id, event.seq) for event in events]
        return events[-1].seq

    def settle(self) -> None:
        """Nothing to settle."""


def test_a_follower_that_meets_a_newer_versions_event_is_not_ready_and_waits_for_the_upgrade(
    given: GivenMailboxes,
) -> None:
    ahead, plain = given.open("a@example.test"), given.open("b@example.test")
    append(given, ahead, PasswordChangedLater(how="passkey"), "new")
    view = Noting()
    follower = Follower(given.url, given.reader, view)
    with psycopg.connect(given.url, autocommit=True) as connection:
        fan_out(connection, ["noting"])
        for _ in range(3):
            follower.step(connection)
        assert view.applied == [(plain, 1)]
        assert follower.not_ready is not None
        assert "PasswordChanged.9" in follower.not_ready
        assert lags(connection) == {"noting": (2, 0)}
        upgraded = Mapper({"PasswordChanged.9": ("PasswordChanged", lambda s: s | {"structure": {"by": "owner"}})})
        follower = Follower(given.url, StreamReader(given.recorder, given.keys, upgraded), view)
        assert sweep(connection, "noting", now_ms=0) == 1
        follower.step(connection)
        assert (view.applied[1:], follower.not_ready) == ([(ahead, 1), (ahead, 2)], None)
