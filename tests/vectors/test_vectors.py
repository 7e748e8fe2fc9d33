"""The vectors hold for everything that reads a log here: fold, rows in SQL, the client's fold, seals and hashes.

A vector that changes without need is a broken promise to every client: `python -m tests.vectors.make` only writes them.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain import stored_form
from domain.chain import GENESIS, event_hash
from domain.client_fold import ClientFold
from domain.mailbox_state import MailboxState
from infra.keys import MailboxKey
from infra.store.mapper import Mapper, StoredRow, open_row, row_from, to_stored
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import assert_rows_equal, query_api, sync_page
from tests.system.recorded_history import record_and_rebuild
from tests.vectors.make import FOLDER, histories, plain, state_vector, written

NAMES = list(histories())
CHAIN = msgspec.json.decode((FOLDER / "chain.json").read_bytes())
ROWS = CHAIN["events"]


@pytest.fixture(scope="module")
def given(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GivenMailboxes]:
    with given_mailboxes(module_database_url, tmp_path_factory.mktemp("vectors")) as mailboxes:
        yield mailboxes


def vector(name: str) -> Any:
    return msgspec.json.decode((FOLDER / "histories" / f"{name}.json").read_bytes())


@pytest.mark.parametrize("path", list(written()), ids=lambda path: path.name)
def test_the_files_are_what_the_events_of_this_version_make(path: Path) -> None:
    assert msgspec.json.decode(path.read_bytes()) == plain(written()[path])


@pytest.mark.parametrize("name", NAMES)
def test_the_clients_fold_comes_to_every_state_by_events_and_by_net_changes(name: str) -> None:
    told = vector(name)
    by_events, by_net_changes, since = ClientFold(), ClientFold(), 0
    for state in told["states"]:
        page = {"since": since, "next": state["seq"], "events": told["events"][since : state["seq"]]}
        by_events.apply_events(page)
        by_net_changes.apply_fold(state["fold"])
        for client in (by_events, by_net_changes):
            assert client.messages() == state["messages"]
            assert client.labels() == state["labels"]
            assert client.counts() == state["counts"]
            assert {label: client.threads(label or None) for label in state["threads"]} == state["threads"]
        since = state["seq"]


@pytest.mark.parametrize("name", NAMES)
def test_the_log_shows_the_same_events_and_its_rows_in_sql_give_the_last_state(
    name: str, given: GivenMailboxes
) -> None:
    told, history = vector(name), histories()[name]
    mailbox_id = record_and_rebuild(given, f"m-{name}", history.events)
    assert sync_page(given.reader, mailbox_id, 0, 10_000)["events"] == told["events"]
    state = given.fold(mailbox_id)
    assert state.rows() == MailboxState.replay(history.events).rows()
    assert_rows_equal(given, mailbox_id, state)
    last = told["states"][-1]
    with query_api(given, mailbox_id) as api:
        assert api.messages(7) == last["messages"]
        assert api.facts.labels(mailbox_id) == last["labels"]
        assert api.fold_page(last["fold"]["since"], 10_000) == last["fold"]
        threads = {
            label: [
                {name: one[name] for name in ("id", "latest_at", "total", "unread")}
                for one in api.threads(5, label=label or None)
            ]
            for label in last["threads"]
        }
        assert threads == last["threads"]
    assert plain(state_vector(state, since=last["fold"]["since"])) == last


def row_of(told: Any) -> StoredRow:
    salt = told["salt"] and bytes.fromhex(told["salt"])
    sealed = base64.b64decode(told["sealed"])
    facts = (told["topic"], sealed, told["recorded_at"], told["key_id"], bytes.fromhex(told["hash"]), salt)
    return row_from((CHAIN["mailbox"], told["seq"], *facts))


KEY = MailboxKey("k1", bytes.fromhex(CHAIN["secret"]))


def test_each_hash_is_over_the_one_before_and_all_parts_of_its_event() -> None:
    before = GENESIS
    for told in ROWS:
        assert told["hash_before"] == before.hex()
        facts = {name: told[name] for name in ("topic", "recorded_at", "key_id")}
        before = event_hash(before, CHAIN["mailbox"], told["seq"], **facts, sealed=base64.b64decode(told["sealed"]))
        assert told["hash"] == before.hex()


@pytest.mark.parametrize("part", ["before", "mailbox_id", "seq", "topic", "recorded_at", "key_id", "sealed"])
def test_no_part_can_be_changed_unseen(part: str) -> None:
    told = ROWS[3]
    parts = {
        "before": bytes.fromhex(told["hash_before"]),
        "mailbox_id": CHAIN["mailbox"],
        "seq": told["seq"],
        **{name: told[name] for name in ("topic", "recorded_at", "key_id")},
        "sealed": base64.b64decode(told["sealed"]),
    }
    value = parts[part]
    other = value + 1 if isinstance(value, int) else value[:-1] + (b"x" if isinstance(value, bytes) else "x")
    changed = parts | {part: other}
    assert event_hash(**parts).hex() == told["hash"]
    assert event_hash(**changed).hex() != told["hash"]


@pytest.mark.parametrize("told", ROWS, ids=[f"{row['seq']}-{row['topic']}" for row in ROWS])
def test_the_sealed_form_opens_to_its_sections_and_without_its_salt_to_all_but_the_personal_one(told: Any) -> None:
    row = row_of(told)
    opened = open_row(KEY, row)
    sections = {name: getattr(opened.sections, name).decode() for name in ("structure", "personal", "who", "server")}
    assert sections == {name: told[name] for name in sections}
    forgotten = open_row(KEY, msgspec.structs.replace(row, salt=None))
    assert forgotten.personal_redacted == (told["salt"] is not None and told["personal"] != "")
    if forgotten.personal_redacted:
        assert forgotten.sections.personal == b""
    assert forgotten.sections.structure == opened.sections.structure


@pytest.mark.parametrize("told", ROWS, ids=[f"{row['seq']}-{row['topic']}" for row in ROWS])
def test_what_is_written_anew_opens_to_the_same_event_and_says_it_only_to_who_has_the_key(told: Any) -> None:
    row = row_of(told)
    recorded = Mapper().to_recorded(KEY, row)
    assert recorded.event is not None
    place = {"mailbox_id": row.mailbox_id, "seq": row.seq, "recorded_at": row.recorded_at}
    again = to_stored(KEY, recorded.event, recorded.who, **place, before=bytes(32), salt=row.salt)
    assert Mapper().to_recorded(KEY, again) == recorded
    assert len(again.state) == len(row.state)
    assert b"message_ids" not in again.state
    assert Mapper().to_recorded(None, again).event is None
    assert stored_form.encode(recorded.event, recorded.who).structure.decode() == told["structure"]
