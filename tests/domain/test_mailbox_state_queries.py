"""Lists, counts and net changes, as the query API answers them, at any seq."""

import pytest

from domain import events as e
from domain.mailbox_state import MailboxState
from domain.times import unix_ms
from tests.domain.histories import History, random_history


@pytest.fixture
def history() -> History:
    history = History()
    history.open(quota_bytes=1000)
    return history


def state_of(history: History) -> MailboxState:
    return MailboxState.replay(history.events)


def test_labels_show_system_labels_first_then_paths_ignoring_case(history: History) -> None:
    history.label("l1", "work")
    history.label("l2", "Äpfel", parent="l1")
    history.label("l3", "Attic")
    labels = state_of(history).labels()
    assert [label["path"] for label in labels] == [*e.SYSTEM_LABELS, "Attic", "work", "work/Äpfel"]
    assert [label["role"] for label in labels[:6]] == ["inbox", "archive", "sent", "drafts", "trash", "junk"]
    history.rename("l1", "Zeal")
    assert [label["path"] for label in state_of(history).labels()][6:] == ["Attic", "Zeal", "Zeal/Äpfel"]


def test_a_label_counts_messages_threads_and_bytes(history: History) -> None:
    history.deliver("m1", thread="t1", size=10)
    history.deliver("m2", thread="t1", size=20, keywords=("$seen",))
    history.deliver("m3", thread="t2", size=30, keywords=("$draft",))
    history.deliver("m4", thread="t1", labels=("SPAM",), size=40)
    inbox = state_of(history).labels()[0]
    assert inbox == {
        "id": "INBOX",
        "name": "INBOX",
        "parent_id": None,
        "path": "INBOX",
        "role": "inbox",
        "total": 3,
        "unread": 1,
        "threads": 2,
        "threads_unread": 1,
        "size": 60,
        "seq": 4,
    }
    assert state_of(history).counts()["SPAM"] == {"total": 1, "unread": 1}


def test_lists_are_newest_first_filtered_and_paged_by_place(history: History) -> None:
    for number in range(7):
        keywords = (("$seen",), ("$flagged",), ("$draft",), ())[number % 4]
        history.deliver(f"m{number}", labels=("INBOX",) if number else ("TRASH",), keywords=keywords)
    state = state_of(history)
    assert [m["id"] for m in state.messages("INBOX", unread=True)] == ["m5", "m3", "m1"]
    assert [m["id"] for m in state.messages("INBOX", unread=False)] == ["m6", "m4", "m2"]
    assert [m["id"] for m in state.messages(starred=True)] == ["m5", "m1"]
    assert [m["id"] for m in state.messages(starred=False, limit=2)] == ["m6", "m4"]
    page = state.messages(limit=3)
    rest = state.messages(after=(unix_ms(page[-1]["listed_at"]), page[-1]["id"]))
    assert [m["id"] for m in page + rest] == [f"m{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


def test_equal_times_are_ordered_by_id(history: History) -> None:
    history.deliver("m1")
    history.deliver("m2")
    history.add(e.SnoozeEnded(message_ids=("m2", "m1"), listed_at="2030-01-01T00:00:00.000Z"))
    moment = unix_ms("2030-01-01T00:00:00.000Z")
    assert [m["id"] for m in state_of(history).messages()] == ["m2", "m1"]
    assert [m["id"] for m in state_of(history).messages(after=(moment, "m2"))] == ["m1"]


def test_threads_are_listed_by_their_newest_message_in_the_label(history: History) -> None:
    history.deliver("m1", thread="t1")
    history.deliver("m2", thread="t2")
    late = history.deliver("m3", thread="t1", labels=("SPAM",), keywords=("$seen",))
    state = state_of(history)
    assert [(t["id"], t["total"], t["unread"]) for t in state.threads("INBOX")] == [("t2", 1, 1), ("t1", 1, 1)]
    assert [(t["id"], t["total"], t["unread"]) for t in state.threads()] == [("t1", 2, 1), ("t2", 1, 1)]
    assert state.threads(limit=1)[0]["latest_at"] == state.message(late)["listed_at"]
    first = state.threads("INBOX", limit=1)[0]
    after = (unix_ms(first["latest_at"]), first["id"])
    assert [t["id"] for t in state.threads("INBOX", after=after)] == ["t1"]
    assert [m["id"] for m in state.thread("t1")] == ["m1", "m3"]


def test_what_came_and_went_is_only_in_removed(history: History) -> None:
    history.deliver("m1")
    since = history.deliver("m2") and history.head
    history.deliver("m3")
    history.label("l1", "Brief")
    history.add(e.LabelDeleted(label_id="l1"))
    history.keywords("m1", added=("$seen",))
    history.delete("m2", "m3")
    state = state_of(history)
    net = state.changes(since)
    assert net["messages"] == {"changed": [state.message("m1")], "removed": ["m2", "m3"]}
    assert [label["id"] for label in net["labels"]["changed"]] == ["INBOX"]
    assert net["labels"]["removed"] == ["l1"]
    assert net["counts"] == state.counts()
    assert (net["since"], net["next"], net["head"], net["more"]) == (since, state.head, state.head, False)


def test_nothing_changed_after_the_head(history: History) -> None:
    history.deliver("m1")
    net = state_of(history).changes(history.head)
    assert net["messages"] == {"changed": [], "removed": []}
    assert net["labels"] == {"changed": [], "removed": []}


@pytest.mark.parametrize("seed", range(4))
def test_the_state_at_a_seq_and_the_events_after_it_make_the_state_at_the_end(seed: int) -> None:
    history = random_history(seed)
    state = MailboxState.replay(history.events[: 37 + seed])
    for recorded in history.events[37 + seed :]:
        state.apply(recorded)
    assert state.rows() == state_of(history).rows()


@pytest.mark.parametrize(
    ("used", "shown"),
    [(799, "ok"), (800, "warn80"), (900, "warn90"), (950, "warn95"), (999, "warn95"), (1000, "read_only")],
)
def test_the_quota_has_a_state(history: History, used: int, shown: str) -> None:
    history.deliver(size=used)
    assert state_of(history).quota == {"used_bytes": used, "limit_bytes": 1000, "state": shown}


def test_a_warning_falls_with_the_use_and_rises_only_by_an_event(history: History) -> None:
    def warned() -> int:
        return state_of(history).rows()["mailbox"][""]["quota_warned"]

    history.deliver("m1", size=850)
    assert warned() == 0
    history.add(e.QuotaWarned(level=80, used_bytes=850, limit_bytes=1000))
    history.deliver("m2", size=110)
    assert warned() == 80
    history.add(e.QuotaWarned(level=95, used_bytes=960, limit_bytes=1000))
    history.delete("m2")
    assert warned() == 80
    history.delete("m1")
    assert warned() == 0
