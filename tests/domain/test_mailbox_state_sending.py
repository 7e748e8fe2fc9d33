"""Drafts, submissions, documents and the mailbox's own facts."""

import msgspec
import pytest

from domain import events as e
from domain.mailbox_state import MailboxState
from tests.domain.histories import SECOND_MS, START_MS, History, rich_history


@pytest.fixture
def history() -> History:
    """An open mailbox with the draft `d1`, whose first revision is `m1`."""
    history = History()
    history.open()
    history.deliver("m1", thread="t1", labels=("DRAFTS",), keywords=("$draft",))
    history.draft("d1", "m1")
    return history


def state_of(history: History) -> MailboxState:
    return MailboxState.replay(history.events)


def statuses(history: History, submission_id: str = "u1") -> tuple[str, list[str]]:
    row = state_of(history).rows()["submissions"][submission_id]
    return row["status"], [recipient["status"] for recipient in row["recipients"]]


def test_a_draft_keeps_its_id_from_revision_to_revision(history: History) -> None:
    history.deliver("m2", thread="t1", labels=("DRAFTS",), keywords=("$draft",))
    seq = history.draft("d1", "m2", revision=2, replaces="m1")
    assert state_of(history).drafts() == [{"id": "d1", "revision": 2, "message_id": "m2", "seq": seq}]
    assert state_of(history).rows()["drafts"]["d1"]["created_seq"] == 3


def test_a_discarded_draft_comes_back_when_its_submission_is_undone(history: History) -> None:
    gone = history.add(e.DraftDiscarded(draft_id="d1", sent=True))
    assert state_of(history).drafts() == []
    assert state_of(history).rows()["drafts"]["d1"]["destroyed_seq"] == gone
    back = history.draft("d1", "m1", revision=2)
    assert state_of(history).rows()["drafts"]["d1"] == {
        "draft_id": "d1",
        "message_id": "m1",
        "revision": 2,
        "created_seq": 3,
        "changed_seq": back,
        "destroyed_seq": None,
    }


def test_a_queued_submission_waits_for_every_recipient(history: History) -> None:
    seq = history.submit("u1", "m1", "bob@example.net", "eve@example.com")
    now = START_MS + seq * SECOND_MS
    waiting = {"status": "queued", "attempts": 0, "last_reply": "", "next_attempt_at": None, "feedback": ""}
    assert state_of(history).rows()["submissions"]["u1"] == {
        "submission_id": "u1",
        "message_id": "m1",
        "draft_id": "d1",
        "status": "queued",
        "recipients": [{"address": "bob@example.net", **waiting}, {"address": "eve@example.com", **waiting}],
        "queued_at": now,
        "send_at": now + 10_000,
        "undo_until": now + 10_000,
        "stream": "personal",
        "created_seq": seq,
        "changed_seq": seq,
    }


def test_a_redacted_submission_knows_how_many_but_not_whom(history: History) -> None:
    history.submit("u1", "m1", "bob@example.net", "eve@example.com", redacted=True)
    (submission,) = state_of(history).submissions()
    assert [recipient["address"] for recipient in submission["recipients"]] == [None, None]


@pytest.mark.parametrize(
    ("reports", "whole"),
    [
        (["relayed"], "queued"),
        (["relayed", "deferred"], "deferred"),
        (["bounced", "relayed"], "bounced"),
        (["rejected", "relayed"], "rejected"),
        (["bounced", "rejected"], "bounced"),
        (["delivered", "relayed"], "relayed"),
        (["delivered", "delivered"], "delivered"),
    ],
)
def test_a_submission_has_the_worst_status_of_its_recipients(history: History, reports: list[str], whole: str) -> None:
    history.submit("u1", "m1", "bob@example.net", "eve@example.com")
    for recipient, status in enumerate(reports):
        history.report("u1", recipient, status, message_id="m1")
    assert statuses(history) == (whole, [*reports, "queued"][:2])


def test_a_report_tells_attempts_reply_and_the_next_attempt(history: History) -> None:
    history.submit("u1", "m1", "bob@example.net")
    seq = history.add(
        e.RecipientReported(
            submission_id="u1",
            message_id="m1",
            recipient=0,
            status="deferred",
            attempts=3,
            next_attempt_at="2027-01-01T00:00:00.000Z",
            personal=e.RecipientPersonal("bob@example.net", "451 later"),
        )
    )
    (submission,) = state_of(history).submissions()
    assert submission["seq"] == seq
    assert submission["recipients"] == [
        {
            "address": "bob@example.net",
            "status": "deferred",
            "attempts": 3,
            "last_reply": "451 later",
            "next_attempt_at": "2027-01-01T00:00:00.000Z",
            "feedback": "",
        }
    ]


def test_an_undone_or_rejected_submission_is_so_for_all(history: History) -> None:
    history.submit("u1", "m1", "bob@example.net", "eve@example.com")
    history.submit("u2", "m1", "bob@example.net", "eve@example.com")
    history.add(e.SubmissionUndone(submission_id="u1", draft_id="d1"))
    history.add(e.SubmissionRejected(submission_id="u2", reason="a virus"))
    assert statuses(history) == ("undone", ["undone", "undone"])
    assert statuses(history, "u2") == ("rejected", ["rejected", "rejected"])
    newest = state_of(history).submissions()[0]
    assert [recipient["last_reply"] for recipient in newest["recipients"]] == ["a virus", "a virus"]


def test_drafts_and_submissions_follow_a_message_into_another_thread(history: History) -> None:
    history.deliver("m0", thread="t0")
    history.submit("u1", "m1", "bob@example.net")
    moved = history.join(into="t0", from_="t1")
    found = state_of(history).rows()
    for row in (found["drafts"]["d1"], found["submissions"]["u1"]):
        assert (row["message_id"], row["changed_seq"]) == (moved["m1"], history.head)


def test_documents_are_made_changed_removed_and_made_again(history: History) -> None:
    made = history.add(e.ContactChanged(contact_id="k1", name="bob", addresses=("bob@example.net",)))
    history.add(e.ContactChanged(contact_id="k2", name="Ann"))
    seq = history.add(e.ContactChanged(contact_id="k1", name="Bob", note="builder"))
    contacts = state_of(history).contacts()
    assert [contact["name"] for contact in contacts] == ["Ann", "Bob"]
    assert contacts[1] == {"id": "k1", "name": "Bob", "addresses": [], "note": "builder", "seq": seq}
    gone = history.add(e.ContactChanged(contact_id="k1", removed=True))
    assert [contact["id"] for contact in state_of(history).contacts()] == ["k2"]
    assert state_of(history).rows()["documents"]["contact", "k1"]["destroyed_seq"] == gone
    history.add(e.ContactChanged(contact_id="k1", name="Bob"))
    row = state_of(history).rows()["documents"]["contact", "k1"]
    assert (row["created_seq"], row["destroyed_seq"]) == (made, None)


def test_rules_vacation_and_profile_are_what_was_last_put(history: History) -> None:
    assert (state_of(history).rules(), state_of(history).vacation()) == (None, None)
    profile = {"address": "ada@example.org", "display_name": "Ada", "signature": "", "time_zone": "UTC"}
    assert state_of(history).profile() == profile
    history.add(e.RulesReplaced(rules=msgspec.Raw(b'[{"if": 1}]')))
    history.add(e.VacationSet(vacation=msgspec.Raw(b'{"enabled": true}')))
    history.add(e.SettingsChanged(display_name="Countess", signature="--", time_zone="Europe/London"))
    state = state_of(history)
    assert (state.rules(), state.vacation()) == ([{"if": 1}], {"enabled": True})
    changed = {"display_name": "Countess", "signature": "--", "time_zone": "Europe/London"}
    assert state.profile() == {**profile, **changed}


def test_a_restore_gives_new_uid_validity_and_keeps_the_uids(history: History) -> None:
    seq = history.add(e.MailboxRestored(uid_validity={"DRAFTS": 900, "INBOX": 901}))
    state = state_of(history)
    facts = {"uid_validity": 900, "next_uid": 2, "changed_seq": seq, "counts_seq": 2}
    assert state.label_facts("DRAFTS") == facts
    assert state.rows()["mailbox"][""]["last_uid_validity"] == 901
    assert state.uids("DRAFTS") == [(1, "m1", False)]


def test_a_deleted_label_is_a_tombstone_that_no_list_shows(history: History) -> None:
    history.label("l1", "Brief")
    seq = history.add(e.LabelDeleted(label_id="l1"))
    state = state_of(history)
    assert "l1" not in state.counts()
    row = state.rows()["labels"]["l1"]
    assert (row["destroyed_seq"], row["changed_seq"]) == (seq, seq)


def test_sending_is_halved_blocked_or_free_and_the_end_is_known(history: History) -> None:
    def restrictions() -> tuple[bool, bool]:
        row = state_of(history).rows()["mailbox"][""]
        return row["sending_halved"], row["sending_blocked"]

    history.add(e.SendingRestricted(why="bounces", blocked=False))
    assert restrictions() == (True, False)
    history.add(e.SendingRestricted(why="a pattern", blocked=True))
    assert restrictions()[1] is True
    history.add(e.SendingAllowed())
    assert restrictions() == (False, False)
    history.add(e.MailboxErased(why="asked"))
    assert state_of(history).rows()["mailbox"][""]["erased"] is True


def test_the_answers_can_all_be_written_as_json() -> None:
    state = state_of(rich_history())
    answers = [state.messages(), state.threads(), state.labels(), state.counts(), state.changes(0), state.drafts()]
    answers += [state.submissions(), state.contacts(), state.identities(), state.rules(), state.vacation()]
    answers += [state.profile(), state.quota, state.thread("ta"), state.message("a3")]
    assert all(answers)
    assert msgspec.json.decode(msgspec.json.encode(answers)) == answers
