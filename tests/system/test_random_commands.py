"""The laws of the log over random histories of commands of every kind: whichever way a mailbox is looked at, by the
fold, the rows in step, rebuilt rows, the query API or a client's own fold, it is the same mailbox."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain import decisions as d
from domain.client_fold import ClientFold
from domain.events import BY_TOPIC
from domain.mailbox_state import MailboxState, difference
from infra.rebuild import RebuildUnderWayError, rebuild_mailbox, verify_mailbox
from infra.store.lane import MailboxUnknownError
from tests.domain.planted_bugs import BUGS, planted_bugs
from tests.system.given_mailbox import GivenMailboxes, given_mailboxes
from tests.system.log_checks import (
    Json,
    assert_answers_equal,
    assert_chain_is_intact,
    assert_client_equals,
    assert_rows_equal,
    follow_events,
    follow_net_changes,
    query_api,
    rows_of,
    sync_page,
)
from tests.system.random_commands import COMMANDS, Clock, RandomCommands

SEEDS = range(12)
COMMANDS_EACH = 240
TAKE_HUNDREDS = ("SenderFlagged", "SignInDemanded")
"""Of submissions: the rich history holds them."""


@pytest.fixture(scope="module")
def store(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GivenMailboxes, Clock]]:
    clock = Clock()
    with given_mailboxes(module_database_url, tmp_path_factory.mktemp("random"), clock_ms=clock) as given:
        yield given, clock


@pytest.fixture(scope="module")
def histories(store: tuple[GivenMailboxes, Clock]) -> list[RandomCommands]:
    """Long histories; while each grew, rows and a client were compared with the fold again and again."""
    return [grown(*store, seed) for seed in SEEDS]


def grown(store: GivenMailboxes, clock: Clock, seed: int) -> RandomCommands:
    history, client = RandomCommands(store, clock, seed), ClientFold()
    chance = random.Random(seed)
    while history.commands < COMMANDS_EACH:
        history.run(60)
        assert_rows_equal(store, history.mailbox_id, history.state)
        follow_events(client, store, history.mailbox_id, chance)
        assert_client_equals(client, history.state)
    return history


@pytest.fixture(params=SEEDS)
def history(request: pytest.FixtureRequest, histories: list[RandomCommands]) -> RandomCommands:
    return histories[request.param]


def test_the_rows_in_step_equal_the_fold_of_the_log(history: RandomCommands) -> None:
    assert verify_mailbox(history.given.url, history.given.reader, history.mailbox_id) == []
    assert assert_chain_is_intact(history.given, history.mailbox_id) == history.state.head


def test_rebuilt_rows_equal_the_rows_in_step_and_so_do_rows_rebuilt_once_more(
    history: RandomCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, mailbox_id = history.given, history.mailbox_id
    before = rows_of(given, mailbox_id)
    for batch, last_few in ((23, 10), (1000, 0)):
        monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", batch)
        monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", last_few)
        rebuilt = rebuild_mailbox(given.url, given.reader, mailbox_id)
        assert (rebuilt.events, rebuilt.differences) == (history.state.head, ())
        assert difference(before, rows_of(given, mailbox_id)) == []
        assert_rows_equal(given, mailbox_id, history.state)


def test_the_query_api_answers_as_the_fold_does(history: RandomCommands) -> None:
    with query_api(history.given, history.mailbox_id) as api:
        assert_answers_equal(api, history.state, random.Random(1))


def test_net_changes_after_any_seq_are_those_of_the_fold(history: RandomCommands) -> None:
    chance, head = random.Random(2), history.state.head
    with query_api(history.given, history.mailbox_id) as api:
        for since in (0, *chance.sample(range(1, head + 1), 8), head):
            forget_pages(history.given.url)
            assert api.fold_page(since, limit=10_000) == history.state.changes(since)
            pages = list(net_pages(api.fold_page, since, limit=chance.choice((1, 3, 17))))
            whole = history.state.changes(since)
            assert [m for page in pages for m in page["messages"]["changed"]] == whole["messages"]["changed"]
            assert [m for page in pages for m in page["messages"]["removed"]] == whole["messages"]["removed"]
            assert [page["more"] or "labels" in page for page in pages] == [True] * len(pages)
            assert all("labels" not in page for page in pages[:-1])
            shown = [label for page in pages for label in page.get("labels", {}).get("changed", ())]
            assert sorted(shown, key=id_of) == sorted(whole["labels"]["changed"], key=id_of)
            gone = [label for page in pages for label in page.get("labels", {}).get("removed", ())]
            assert gone == whole["labels"]["removed"]
            assert [page.get("counts") for page in pages] == [None] * (len(pages) - 1) + [whole["counts"]]


def test_the_last_page_tells_the_labels_since_the_first_one_to_every_process(history: RandomCommands) -> None:
    with query_api(history.given, history.mailbox_id) as first:
        pages = list(net_pages(first.fold_page, 0, limit=7))
    with query_api(history.given, history.mailbox_id) as second:
        again = second.fold_page(pages[-1]["since"], 7)
    assert again == pages[-1]
    assert sorted(again["labels"]["changed"], key=id_of) == sorted(
        history.state.changes(0)["labels"]["changed"], key=id_of
    )


def forget_pages(url: str) -> None:
    """A client may be told of more labels than changed, where another one paged to the same place from further back."""
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM fold_pages")


def id_of(label: Json) -> str:
    return label["id"]


def net_pages(ask, since: int, *, limit: int) -> Iterator[Json]:
    while True:
        page = ask(since, limit)
        yield page
        if not page["more"]:
            return
        assert page["next"] > since
        since = page["next"]


def test_a_client_at_any_seq_goes_on_by_events_or_net_changes_to_the_same_mailbox(history: RandomCommands) -> None:
    given, mailbox_id, chance = history.given, history.mailbox_id, random.Random(3)
    with query_api(given, mailbox_id) as api:
        for since in chance.sample(range(1, history.state.head), 4):
            at_since = MailboxState.replay(given.reader.recorded(mailbox_id, until=since))
            by_events, by_net_changes = ClientFold(), ClientFold()
            for client in (by_events, by_net_changes):
                client.apply_events(sync_page(given.reader, mailbox_id, 0, since))
                assert_client_equals(client, at_since)
            follow_events(by_events, given, mailbox_id, chance)
            follow_net_changes(by_net_changes, api, chance.choice((1, 5, 50)))
            for recorded in given.reader.recorded(mailbox_id, since=since):
                at_since.apply(recorded)
            assert at_since.rows() == history.state.rows()
            assert_client_equals(by_events, history.state)
            assert_client_equals(by_net_changes, history.state)


@pytest.mark.parametrize("seed", range(3))
def test_a_snapshot_read_while_commands_run_is_completed_by_net_changes(
    store: tuple[GivenMailboxes, Clock], seed: int
) -> None:
    history, client, by_events = RandomCommands(*store, 100 + seed), ClientFold(), ClientFold()
    history.run(120)
    with query_api(history.given, history.mailbox_id) as api:
        cursor: str | None = None
        while True:
            page, cursor = api.snapshot_page(cursor, 7)
            client.apply_snapshot(page)
            by_events.apply_snapshot(page)
            if cursor is None:
                break
            history.run(9)
        follow_net_changes(client, api, 5)
        follow_events(by_events, history.given, history.mailbox_id, random.Random(seed))
        assert_client_equals(client, history.state)
        assert by_events.messages() == history.state.messages(limit=None)
        assert api.messages() == client.messages()


@pytest.mark.parametrize("seed", range(2))
def test_destroyed_keys_of_messages_redact_them_everywhere_and_end_nothing(
    store: tuple[GivenMailboxes, Clock], seed: int
) -> None:
    given, clock = store
    history, chance = RandomCommands(given, clock, 200 + seed), random.Random(seed)
    history.run(150)
    mailbox_id = history.mailbox_id
    with psycopg.connect(given.url) as connection:
        salts = connection.execute("SELECT seq FROM message_salts WHERE mailbox_id = %s", (mailbox_id,)).fetchall()
        gone = [seq for (seq,) in chance.sample(salts, len(salts) // 3)]
        connection.execute("DELETE FROM message_salts WHERE mailbox_id = %s AND seq = ANY (%s)", (mailbox_id, gone))
    state = given.fold(mailbox_id)
    page = sync_page(given.reader, mailbox_id, 0, 10_000)
    assert [event["seq"] for event in page["events"] if event.get("redacted")] == sorted(gone)
    client = ClientFold()
    client.apply_events(page)
    assert_client_equals(client, state)
    assert_chain_is_intact(given, mailbox_id)
    rebuild_mailbox(given.url, given.reader, mailbox_id)
    assert_rows_equal(given, mailbox_id, state)
    with query_api(given, mailbox_id) as api:
        assert_answers_equal(api, state, chance)
    history.state = state
    history.run(60)
    assert_rows_equal(given, mailbox_id, given.fold(mailbox_id))


def test_a_destroyed_key_of_a_mailbox_leaves_a_chain_that_verifies_and_says_nothing(
    store: tuple[GivenMailboxes, Clock],
) -> None:
    given, clock = store
    history = RandomCommands(given, clock, 300)
    history.run(80)
    mailbox_id, head = history.mailbox_id, history.state.head
    given.keys.destroy(mailbox_id)
    assert assert_chain_is_intact(given, mailbox_id) == head
    page = sync_page(given.reader, mailbox_id, 0, 10_000)
    assert {(event["redacted"], str(event["data"])) for event in page["events"]} == {(True, "{}")}
    client = ClientFold()
    client.apply_events(page)
    assert (client.seq, client.messages()) == (head, [])
    with pytest.raises(MailboxUnknownError):
        given.lane.run(d.RecordPasswordChange(mailbox_id=mailbox_id, command_id="late", by="owner"))
    rebuild_mailbox(given.url, given.reader, mailbox_id)
    state = given.fold(mailbox_id)
    assert state.head == head
    assert_rows_equal(given, mailbox_id, state)
    with query_api(given, mailbox_id) as api:
        assert (api.messages(), api.threads(), api.facts.labels(mailbox_id)) == ([], [], [])


def test_an_erased_mailbox_refuses_every_command_and_stays_readable(store: tuple[GivenMailboxes, Clock]) -> None:
    given, clock = store
    history = RandomCommands(given, clock, 400)
    history.run(60)
    history.run_gathered([(d.EraseMailbox, {"why": "closed"})])
    head = history.state.head
    history.run(60)
    assert history.state.head == head
    assert_rows_equal(given, history.mailbox_id, history.state)
    rebuild_mailbox(given.url, given.reader, history.mailbox_id)
    assert_rows_equal(given, history.mailbox_id, history.state)


def test_the_histories_hold_every_command_every_event_refusals_repeats_and_failures(
    histories: list[RandomCommands],
) -> None:
    assert {kind for history in histories for kind in history.kinds} >= {kind for kind, _ in COMMANDS}
    topics = {row.topic for history in histories for row in history.given.reader.rows(history.mailbox_id)}
    assert topics == BY_TOPIC.keys() - {"MailboxErased", *TAKE_HUNDREDS}
    assert all(history.refused > 10 for history in histories)
    assert sum(history.broken for history in histories) > 5
    assert sum(history.repeated for history in histories) > 20


@pytest.mark.parametrize(("name", "planted"), planted_bugs(), ids=[bug.name for bug in BUGS])
def test_a_bug_planted_in_the_fold_is_found_by_the_rows(
    name: str, planted: type[MailboxState], histories: list[RandomCommands]
) -> None:
    assert any(differs(planted, history) for history in histories), name


def differs(planted: type[MailboxState], history: RandomCommands) -> bool:
    folded = planted.replay(history.given.reader.recorded(history.mailbox_id))
    return difference(folded.rows(), rows_of(history.given, history.mailbox_id)) != []


@given(seed=st.integers(0, 10**9), gathered=st.lists(st.integers(1, 6), min_size=1, max_size=8))
@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_short_histories_gathered_anyhow_equal_their_fold_and_their_rebuilt_rows(
    store: tuple[GivenMailboxes, Clock], seed: int, gathered: list[int]
) -> None:
    with_store, clock = store
    history = RandomCommands(with_store, clock, seed)
    for together in gathered:
        history.run_gathered([history.draw() for _ in range(together)])
    assert_rows_equal(with_store, history.mailbox_id, history.state)
    assert rebuild_mailbox(with_store.url, with_store.reader, history.mailbox_id).differences == ()
    assert_rows_equal(with_store, history.mailbox_id, history.state)


def test_rebuilds_of_one_mailbox_at_once_refuse_or_come_to_the_same_rows(
    store: tuple[GivenMailboxes, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_store, clock = store
    history = RandomCommands(given_store, clock, 500)
    history.run(120)
    monkeypatch.setattr("infra.rebuild.BATCH_EVENTS", 5)
    monkeypatch.setattr("infra.rebuild.LAST_FEW_EVENTS", 0)
    with ThreadPoolExecutor(3) as pool:
        rebuilds = [
            pool.submit(rebuild_mailbox, given_store.url, given_store.reader, history.mailbox_id) for _ in range(3)
        ]
        refused = [rebuild.exception(60) for rebuild in rebuilds]
        assert None in refused
        assert {type(error) for error in refused} <= {type(None), RebuildUnderWayError}
        assert {rebuild.result().differences for rebuild in rebuilds if rebuild.exception() is None} == {()}
    assert_rows_equal(given_store, history.mailbox_id, history.state)
