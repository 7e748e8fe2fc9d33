"""What each event about messages leaves in messages, memberships, labels and threads."""

import pytest

from domain import events as e
from domain.mailbox_state import MailboxState
from domain.mailbox_state.fold import FOLDS
from domain.times import rfc3339
from tests.domain.histories import SECOND_MS, START_MS, History

ALL = ""


@pytest.fixture
def history() -> History:
    """An open mailbox (seq 1) with a label `l1` (seq 2)."""
    history = History()
    history.open()
    history.label("l1", "Projects")
    return history


def rows(history: History) -> dict:
    return MailboxState.replay(history.events).rows()


def at(seq: int) -> int:
    return START_MS + seq * SECOND_MS


def test_every_type_of_event_is_folded() -> None:
    assert FOLDS.keys() == set(e.EVENT_TYPES)


def test_an_event_out_of_its_turn_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="seq 2 does not follow 0"):
        MailboxState().apply(history.events[1])


def test_a_delivered_message_stands_in_its_labels_under_their_next_uids(history: History) -> None:
    history.deliver("m1", thread="t1", labels=("l1", "INBOX"), keywords=("$flagged",), size=500, refs=("r1",))
    found = rows(history)
    message = found["messages"]["m1"]
    summary = message.pop("summary")
    assert b'"from":[{"name":"Charles","address":"charles@example.net"}]' in summary
    assert message == {
        "message_id": "m1",
        "origin": "m1",
        "thread_id": "t1",
        "blob": "emails/m1.eml",
        "size": 500,
        "received_at": at(3),
        "listed_at": at(3),
        "labels": ["INBOX", "l1"],
        "uids": [1, 1],
        "keywords": ["$flagged"],
        "has_attachment": False,
        "delivered_seq": 3,
        "created_seq": 3,
        "changed_seq": 3,
        "destroyed_seq": None,
        "snoozed_until": None,
    }
    assert found["memberships"]["l1", 1] == {
        "label_id": "l1",
        "uid": 1,
        "message_id": "m1",
        "listed_at": at(3),
        "unread": True,
        "starred": True,
        "deletion_mark": False,
        "added_at": at(3),
        "added_seq": 3,
        "changed_seq": 3,
        "removed_seq": None,
    }
    thread = {"thread_id": "t1", "total": 1, "unread": 1, "latest_at": at(3), "created_seq": 3, "changed_seq": 3}
    assert found["threads"] == {("t1", label): {"label_id": label, **thread} for label in ("l1", "INBOX", ALL)}
    assert found["references"] == {"r1": {"ref": "r1", "thread_id": "t1", "seen_at": at(3)}}
    assert found["mailbox"][""]["used_bytes"] == 500
    assert found["mailbox"][""]["messages"] == 1


def test_the_summary_has_the_shape_of_the_contract(history: History) -> None:
    history.deliver("m1", thread="t1", labels=("l1", "INBOX"), keywords=("zeal", "$seen"), size=500)
    assert MailboxState.replay(history.events).message("m1") == {
        "id": "m1",
        "thread_id": "t1",
        "from": [{"name": "Charles", "address": "charles@example.net"}],
        "to": [{"name": "Ada", "address": "ada@example.org"}],
        "cc": [],
        "subject": "On m1",
        "snippet": "The engine weaves",
        "date": "2026-11-22T00:31:07+01:00",
        "received_at": rfc3339(at(3)),
        "listed_at": rfc3339(at(3)),
        "size": 500,
        "labels": ["INBOX", "l1"],
        "keywords": ["$seen", "zeal"],
        "has_attachment": False,
        "attachments": [],
        "seq": 3,
    }


def test_a_redacted_message_keeps_its_structure(history: History) -> None:
    history.deliver("m1", redacted=True)
    shown = MailboxState.replay(history.events).message("m1")
    assert rows(history)["messages"]["m1"]["summary"] is None
    assert (shown["redacted"], shown["from"], shown["subject"], shown["date"]) == (True, [], "", None)
    assert (shown["size"], shown["labels"]) == (1000, ["INBOX"])


def test_the_first_thread_keeps_a_message_reference_and_the_last_a_subject(history: History) -> None:
    history.deliver("m1", thread="t1", refs=("r1",), subject_ref="s1")
    history.deliver("m2", thread="t2", refs=("r1", "r2"), subject_ref="s1")
    leads = {ref: (row["thread_id"], row["seen_at"]) for ref, row in rows(history)["references"].items()}
    assert leads == {"r1": ("t1", at(3)), "r2": ("t2", at(4)), "s1": ("t2", at(4))}


def test_keywords_change_the_message_and_every_place_where_it_shows(history: History) -> None:
    history.deliver("m1", thread="t1", labels=("INBOX", "l1"), keywords=("old",))
    seq = history.keywords("m1", added=("$seen", "$flagged"), removed=("old",))
    found = rows(history)
    assert found["messages"]["m1"]["keywords"] == ["$flagged", "$seen"]
    assert found["messages"]["m1"]["changed_seq"] == seq
    for label in ("INBOX", "l1"):
        place = found["memberships"][label, 1]
        assert (place["unread"], place["starred"], place["changed_seq"], place["added_seq"]) == (False, True, seq, 3)
        assert (found["labels"][label]["unread"], found["labels"][label]["counts_seq"]) == (0, seq)
        assert found["labels"][label]["changed_seq"] < seq
    for label in ("INBOX", "l1", ALL):
        assert (found["threads"]["t1", label]["unread"], found["threads"]["t1", label]["changed_seq"]) == (0, seq)


def test_relabelling_gives_new_uids_in_the_order_of_the_event_and_leaves_tombstones(history: History) -> None:
    for message in ("m1", "m2", "m3"):
        history.deliver(message)
    history.relabel("m3", added=("l1",))
    seq = history.relabel("m2", "m1", added=("l1",), removed=("INBOX",))
    state = MailboxState.replay(history.events)
    found = state.rows()
    assert state.uids("l1") == [(1, "m3", False), (2, "m2", False), (3, "m1", False)]
    assert state.uids("INBOX") == [(3, "m3", False)]
    assert state.label_facts("l1") == {"uid_validity": 201, "next_uid": 4, "changed_seq": 2, "counts_seq": seq}
    tombstone = found["memberships"]["INBOX", 1]
    assert (tombstone["message_id"], tombstone["removed_seq"], tombstone["changed_seq"]) == ("m1", seq, seq)
    left = found["threads"]["t-m1", "INBOX"]
    assert (left["total"], left["latest_at"], left["created_seq"], left["changed_seq"]) == (0, 0, 3, seq)
    assert found["threads"]["t-m1", ALL]["changed_seq"] == 3
    assert found["labels"]["INBOX"]["counts_seq"] == seq


def test_a_deletion_mark_belongs_to_one_membership_and_leaves_the_message_alone(history: History) -> None:
    history.deliver("m1", thread="t1", labels=("INBOX", "l1"))
    seq = history.mark("l1", "m1")
    state = MailboxState.replay(history.events)
    assert state.uids("l1") == [(1, "m1", True)]
    assert state.uids("INBOX") == [(1, "m1", False)]
    assert state.message("m1")["seq"] == 3
    assert state.rows()["memberships"]["l1", 1]["changed_seq"] == seq
    assert state.label_facts("l1")["counts_seq"] == seq
    assert state.label_facts("INBOX")["counts_seq"] == 3
    assert state.rows()["threads"]["t1", "l1"]["changed_seq"] == 3
    history.unmark("l1", "m1")
    assert MailboxState.replay(history.events).uids("l1") == [(1, "m1", False)]


def test_a_better_parse_replaces_the_summary_and_touches_the_labels(history: History) -> None:
    history.deliver("m1", thread="t1")
    better = e.MessagePersonal(subject="Better")
    seq = history.add(e.MessageReparsed(message_id="m1", parser=2, has_attachment=True, personal=better))
    state = MailboxState.replay(history.events)
    shown = state.message("m1")
    assert (shown["subject"], shown["from"], shown["has_attachment"], shown["seq"]) == ("Better", [], True, seq)
    assert state.label_facts("INBOX")["counts_seq"] == seq
    assert state.rows()["memberships"]["INBOX", 1]["changed_seq"] == 3


def test_a_snooze_takes_away_and_brings_back_at_the_top(history: History) -> None:
    history.deliver("m1")
    history.deliver("m2")
    away = history.snooze("m1")
    gone = MailboxState.replay(history.events)
    assert [message["id"] for message in gone.messages("INBOX")] == ["m2"]
    assert gone.rows()["messages"]["m1"]["snoozed_until"] == at(away - 1) + 3_600_000
    back = history.wake("m1")
    state = MailboxState.replay(history.events)
    assert [message["id"] for message in state.messages("INBOX")] == ["m1", "m2"]
    row = state.rows()["messages"]["m1"]
    assert (row["snoozed_until"], row["listed_at"], row["received_at"]) == (None, at(back - 1), at(3))
    archived = state.rows()["memberships"]["ARCHIVE", 1]
    assert (archived["listed_at"], archived["changed_seq"]) == (at(back - 1), back - 1)
    assert state.rows()["memberships"]["INBOX", 3]["listed_at"] == at(back - 1)


def test_a_cancelled_snooze_lists_nothing_anew(history: History) -> None:
    history.deliver("m1")
    left = history.snooze("m1")
    seq = history.add(e.SnoozeEnded(message_ids=("m1",), listed_at=None))
    found = rows(history)
    row = found["messages"]["m1"]
    assert (row["snoozed_until"], row["listed_at"], row["changed_seq"]) == (None, at(3), seq)
    assert found["memberships"]["ARCHIVE", 1]["changed_seq"] == left
    assert found["labels"]["ARCHIVE"]["counts_seq"] == left


def test_a_deleted_message_leaves_a_tombstone_and_its_references(history: History) -> None:
    history.deliver("m1", thread="t1", labels=("INBOX", "l1"), keywords=("$flagged",), refs=("r1",), size=700)
    history.deliver("m2", thread="t1", size=50)
    seq = history.delete("m1")
    state = MailboxState.replay(history.events)
    found = state.rows()
    row = found["messages"]["m1"]
    assert (row["labels"], row["uids"], row["keywords"], row["summary"]) == ([], [], [], None)
    assert (row["destroyed_seq"], row["changed_seq"], row["size"]) == (seq, seq, 700)
    assert found["memberships"]["l1", 1]["removed_seq"] == seq
    assert found["references"]["r1"]["thread_id"] == "t1"
    assert (state.used_bytes, found["mailbox"][""]["messages"]) == (50, 1)
    assert state.message("m1") is None
    assert [message["id"] for message in state.thread("t1")] == ["m2"]
    assert (found["threads"]["t1", "l1"]["total"], found["threads"]["t1", ALL]["total"]) == (0, 1)
    assert found["labels"]["l1"]["size"] == 0


def test_joined_threads_stand_under_new_ids_with_everything_else_as_it_was(history: History) -> None:
    history.deliver("m1", thread="t1", refs=("r1",))
    history.deliver("m2", thread="t2", labels=("INBOX", "l1"), keywords=("$seen",), refs=("r2",), size=300)
    history.deliver("m3", thread="t2", labels=("l1",))
    history.mark("l1", "m3")
    before = rows(history)
    moved = history.join(into="t1", from_="t2")
    seq = history.head
    state = MailboxState.replay(history.events)
    found = state.rows()
    old, new = found["messages"]["m2"], found["messages"][moved["m2"]]
    assert (old["destroyed_seq"], old["summary"], old["labels"]) == (seq, None, [])
    changed = {"message_id": moved["m2"], "thread_id": "t1", "uids": [3, 3], "created_seq": seq, "changed_seq": seq}
    assert new == {**before["messages"]["m2"], **changed}
    assert state.uids("l1") == [(3, moved["m2"], False), (4, moved["m3"], True)]
    assert found["memberships"]["l1", 4]["added_at"] == at(5)
    assert {row["thread_id"] for row in found["references"].values()} == {"t1"}
    assert found["mailbox"][""]["used_bytes"] == before["mailbox"][""]["used_bytes"]
    assert found["mailbox"][""]["messages"] == 3
    assert (found["threads"]["t2", ALL]["total"], found["threads"]["t2", ALL]["changed_seq"]) == (0, seq)
    assert (found["threads"]["t1", ALL]["total"], found["threads"]["t1", "l1"]["created_seq"]) == (3, seq)
    assert (found["labels"]["INBOX"]["threads"], found["labels"]["l1"]["counts_seq"]) == (1, seq)
