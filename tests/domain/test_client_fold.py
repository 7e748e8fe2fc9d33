"""What a client keeps equals what the query API shows, whichever way it came to it."""

import random

import pytest

from domain import events as e
from domain.client_fold import ClientFold
from domain.mailbox_state import MailboxState
from tests.domain.histories import History, public_page, random_history, rich_history

SEEDS = range(12)


def assert_equal(client: ClientFold, state: MailboxState) -> None:
    assert client.seq == state.head
    assert client.messages() == state.messages(limit=None)
    assert client.labels() == state.labels()
    assert client.counts() == state.counts()
    for label in (None, *state.counts()):
        assert client.threads(label) == state.threads(label, limit=None)


def states(history: History) -> list[MailboxState]:
    """The state at every seq from 0 on."""
    return [MailboxState.replay(history.events[:seq]) for seq in range(history.head + 1)]


def test_events_alone_lead_to_what_is_shown_after_every_single_one_of_them() -> None:
    history, client = rich_history(), ClientFold()
    for state in states(history)[1:]:
        client.apply_events(public_page(history, client.seq, limit=1))
        assert_equal(client, state)


@pytest.mark.parametrize("seed", SEEDS)
def test_pages_of_events_and_of_net_changes_may_alternate(seed: int) -> None:
    history, chance, client = random_history(seed), random.Random(seed), ClientFold()
    reached = states(history)
    while client.seq < history.head:
        page = public_page(history, client.seq, limit=chance.randint(1, 30))
        if chance.random() < 0.5:
            client.apply_events(page)
        else:
            client.apply_fold(reached[page["next"]].changes(client.seq))
        assert_equal(client, reached[client.seq])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_read_while_nothing_happens_and_the_events_after_it_lead_there(seed: int) -> None:
    history = random_history(seed)
    began = MailboxState.replay(history.events[:70])
    client = ClientFold()
    client.apply_events(public_page(history, limit=20))
    for page in snapshot_pages(began, [began]):
        client.apply_snapshot(page)
    assert_equal(client, began)
    client.apply_events(public_page(history, 70))
    assert_equal(client, MailboxState.replay(history.events))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_changes_while_a_snapshot_is_read_arrives_by_the_sync_after_it(seed: int) -> None:
    history, began = busy_while_read(seed)
    reached = states(history)
    by_events, by_net_changes = ClientFold(), ClientFold()
    for page in snapshot_pages(reached[began], reached[began::5]):
        by_events.apply_snapshot(page)
        by_net_changes.apply_snapshot(page)
    by_events.apply_events(public_page(history, began))
    assert by_events.messages() == reached[-1].messages(limit=None)
    assert by_events.counts() == reached[-1].counts()
    by_net_changes.apply_fold(reached[-1].changes(began))
    assert_equal(by_net_changes, reached[-1])


def busy_while_read(seed: int) -> tuple[History, int]:
    """Twelve messages, then changes of every kind to most of them; the seq at which those began."""
    history, chance = History(), random.Random(seed)
    history.open()
    ids = [history.deliver(thread=f"t{i // 3}", labels=("INBOX", "SPAM")[i % 2 :][:1]) for i in range(12)]
    began = history.head
    for message_id in chance.sample(ids[3:], 7):
        history.keywords(message_id, added=("$seen",))
        kind = chance.randrange(3)
        if kind == 0:
            history.relabel(message_id, added=("TRASH",), removed=tuple(history.labels_of[message_id]))
        elif kind == 1:
            history.delete(message_id)
        elif history.labels_of[message_id] == {"INBOX"}:
            history.snooze(message_id)
            history.wake(message_id)
    history.join(into="t3", from_="t0")
    return history, began


def snapshot_pages(began: MailboxState, then: list[MailboxState], limit: int = 3) -> list[dict]:
    """Pages of a snapshot, each read from the next of these states, all with the seq at which it began.

    Newest by `delivered_seq`, which no event changes, `ThreadsJoined` neither: what moves in the lists while the pages
    are read moves in no page.
    """
    pages: list[dict] = [{"seq": began.head, "messages": [], "labels": began.labels(), "counts": began.counts()}]
    last = began.head + 1
    for state in (*then, *[then[-1]] * began.head):
        live = (message for message in state.mailbox.live_messages() if message.delivered_seq < last)
        page = sorted(live, key=lambda message: -message.delivered_seq)[:limit]
        if not page:
            break
        pages.append({"seq": began.head, "messages": [state.message(message.id) for message in page]})
        last = page[-1].delivered_seq
    return pages


def test_a_summary_newer_than_an_event_does_not_go_back_to_it() -> None:
    history, client = History(), ClientFold()
    history.open()
    began = MailboxState.replay(history.events)
    history.deliver("m1")
    history.keywords("m1", added=("$seen",))
    history.keywords("m1", removed=("$seen",))
    newest = MailboxState.replay(history.events).messages()
    client.apply_snapshot({"seq": began.head, "messages": newest, "labels": began.labels(), "counts": began.counts()})
    while client.seq < history.head:
        client.apply_events(public_page(history, client.seq, limit=1))
        assert client.messages() == newest


def test_a_label_newer_than_an_event_does_not_go_back_to_it() -> None:
    history, client = History(), ClientFold()
    history.open()
    history.label("l1", "Brief")
    history.rename("l1", "Letters")
    history.deliver("m1", labels=("l1",))
    history.keywords("m1", added=("$seen",))
    newest = MailboxState.replay(history.events)
    client.apply_snapshot({"seq": 1, "messages": newest.messages(), "labels": newest.labels()})
    while client.seq < history.head:
        client.apply_events(public_page(history, client.seq, limit=1))
        assert client.labels() == newest.labels()


def test_unknown_types_fields_and_messages_are_passed_over() -> None:
    history, client = rich_history(), ClientFold()
    page = public_page(history)
    for event in page["events"]:
        event["later"] = event["data"]["later"] = {"new": 1}
        if event["type"] == "MessageDelivered":
            event["data"]["message"]["later"] = [1]
    reached = page["next"]
    unknown = {"seq": reached + 1, "type": "MessagePinned", "at": "2027-01-01T00:00:00.000Z", "data": {"x": 1}}
    stranger = {"message_ids": ["gone"], "added": ["$seen"], "removed": []}
    strange = {"seq": reached + 2, "type": "KeywordsChanged", "at": "2027-01-01T00:00:00.000Z", "data": stranger}
    client.apply_events(page)
    client.apply_events({"since": reached, "next": reached + 2, "events": [unknown, strange]})
    assert client.seq == reached + 2
    assert client.messages() == MailboxState.replay(history.events).messages(limit=None)


def test_a_redacted_message_shows_its_structure_without_what_it_said() -> None:
    history, client = History(), ClientFold()
    history.open()
    history.deliver("x1", redacted=True)
    client.apply_events(public_page(history))
    (message,) = client.messages()
    assert message["redacted"] is True
    assert (message["from"], message["subject"], message["date"]) == ([], "", None)
    assert message["size"] == 1000


def test_where_the_mailbox_key_is_gone_the_seq_alone_goes_on() -> None:
    history, client = History(), ClientFold()
    for topic in ("MailboxOpened", "MessageDelivered", "MailboxErased"):
        history.add(None, topic=topic)
    client.apply_events(public_page(history))
    assert (client.seq, client.messages(), client.labels()) == (3, [], [])
    state = MailboxState.replay(history.events)
    assert (state.head, state.messages(), state.labels()) == (3, [], [])


def test_a_page_that_does_not_begin_where_the_client_stands_is_refused() -> None:
    client = ClientFold()
    with pytest.raises(ValueError, match="stands at 0"):
        client.apply_events({"since": 5, "next": 6, "events": []})
    with pytest.raises(ValueError, match="stands at 0"):
        client.apply_fold(MailboxState().changes(5))


def test_the_random_histories_hold_every_event_about_messages() -> None:
    topics = {recorded.topic for seed in SEEDS for recorded in random_history(seed).events}
    assert topics >= {kind.TOPIC for kind in (e.ThreadsJoined, e.MessagesDeleted, e.SnoozeEnded, e.DeletionMarked)}
