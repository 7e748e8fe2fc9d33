"""Drafts: every revision a new message, one draft id; the quota judges the difference."""

import pytest

from domain import refusals
from domain.commands import ForgetLater
from domain.decisions import Deliver, DiscardDraft, Modify, SaveDraft
from domain.events import DraftDiscarded, DraftSaved, MessageDelivered, MessagesDeleted, ThreadsJoined
from domain.rows import MAX_THREAD_MESSAGES
from tests.domain.decided_mailbox import NOW_MS, PERSONAL, DecidedMailbox, server


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def revision(own: str, **fields: object) -> dict[str, object]:
    return {"personal": PERSONAL, "server": server(own=own), "size": 1000, "received_at": NOW_MS} | fields


def test_a_first_revision_is_a_message_in_drafts(mailbox: DecidedMailbox) -> None:
    delivered, saved = (decided := mailbox.run(SaveDraft, **revision("a"))).events
    assert isinstance(delivered, MessageDelivered)
    assert (delivered.labels, delivered.keywords, delivered.source) == (("DRAFTS",), ("$draft", "$seen"), "draft")
    draft_id = decided.answer["draft_id"]
    assert saved == DraftSaved(draft_id=draft_id, revision=1, message_id=delivered.id, replaces=None)
    assert decided.answer == {
        "draft_id": draft_id,
        "revision": 1,
        "message_id": delivered.id,
        "thread_id": delivered.thread_id,
    }
    assert mailbox.reads == 1


def test_a_later_revision_replaces_the_message_and_keeps_thread_labels_and_keywords(mailbox: DecidedMailbox) -> None:
    first = mailbox.run(SaveDraft, **revision("a")).answer
    mailbox.run(Modify, ids=(first["message_id"],), add_labels=("ARCHIVE",), add_keywords=("$flagged",))
    decided = mailbox.run(SaveDraft, **revision("b", draft_id=first["draft_id"], if_revision=1))
    delivered, saved, deleted = decided.events
    assert (delivered.thread_id, delivered.labels) == (first["thread_id"], ("ARCHIVE", "DRAFTS"))
    assert delivered.keywords == ("$draft", "$flagged", "$seen")
    assert (saved.draft_id, saved.revision, saved.replaces) == (first["draft_id"], 2, first["message_id"])
    assert deleted == MessagesDeleted(message_ids=(first["message_id"],), why="draft")
    assert ForgetLater((first["message_id"],)) in decided.effects


def test_a_revision_of_an_older_one_is_refused_and_told_the_newer(mailbox: DecidedMailbox) -> None:
    draft_id = mailbox.run(SaveDraft, **revision("a")).answer["draft_id"]
    newer = mailbox.run(SaveDraft, **revision("b", draft_id=draft_id, if_revision=1)).answer["message_id"]
    with pytest.raises(refusals.DraftChangedError) as refused:
        mailbox.run(SaveDraft, **revision("c", draft_id=draft_id, if_revision=1))
    assert refused.value.members == {"revision": 2, "message_id": newer}


def test_an_unknown_draft_is_refused(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.DraftUnknownError):
        mailbox.run(SaveDraft, **revision("a", draft_id="dgone"))
    with pytest.raises(refusals.DraftUnknownError):
        mailbox.run(DiscardDraft, draft_id="dgone")


def test_a_full_mailbox_takes_a_smaller_revision_but_no_larger_one() -> None:
    mailbox = DecidedMailbox(quota_bytes=1000)
    draft_id = mailbox.run(SaveDraft, **revision("a")).answer["draft_id"]
    with pytest.raises(refusals.MailboxFullError):
        mailbox.run(SaveDraft, **revision("b", draft_id=draft_id, size=1001))
    with pytest.raises(refusals.MailboxFullError):
        mailbox.run(SaveDraft, **revision("c", size=1))
    mailbox.run(SaveDraft, **revision("d", draft_id=draft_id, size=1000))
    assert mailbox.rows.mailbox.used_bytes == 1000


def test_a_discarded_draft_and_its_message_are_gone(mailbox: DecidedMailbox) -> None:
    saved = mailbox.run(SaveDraft, **revision("a")).answer
    assert mailbox.run(DiscardDraft, draft_id=saved["draft_id"]).events == (
        MessagesDeleted(message_ids=(saved["message_id"],), why="draft"),
        DraftDiscarded(draft_id=saved["draft_id"], sent=False),
    )
    with pytest.raises(refusals.DraftUnknownError):
        mailbox.run(DiscardDraft, draft_id=saved["draft_id"])


def test_a_draft_in_reply_stands_in_its_thread_and_stays_there_when_the_thread_is_full(mailbox: DecidedMailbox) -> None:
    parent = mailbox.message(mailbox.deliver(server=server(own="p")))
    saved = mailbox.run(SaveDraft, **revision("a", server=server(own="a", mentions=["p"]))).answer
    assert saved["thread_id"] == parent.thread_id
    mailbox.rows.threads[parent.thread_id, ""].total = MAX_THREAD_MESSAGES
    again = mailbox.run(SaveDraft, **revision("b", draft_id=saved["draft_id"])).answer
    assert again["thread_id"] == parent.thread_id


def test_a_draft_whose_thread_is_joined_to_another_goes_on_under_its_id(mailbox: DecidedMailbox) -> None:
    mailbox.deliver(server=server(own="p"))
    mailbox.deliver(server=server(own="p2", mentions=["p"]))
    saved = mailbox.run(SaveDraft, **revision("a")).answer
    bridge = {"labels": ("INBOX",), "source": "inbound", "server": server(own="x", mentions=["a", "p"])}
    assert isinstance(mailbox.run(Deliver, **revision("x") | bridge).events[0], ThreadsJoined)
    moved = mailbox.rows.drafts[saved["draft_id"]].message_id
    assert moved != saved["message_id"]
    decided = mailbox.run(SaveDraft, **revision("b", draft_id=saved["draft_id"], if_revision=1))
    assert decided.events[-1] == MessagesDeleted(message_ids=(moved,), why="draft")
    assert ForgetLater((saved["message_id"],)) in decided.effects, "forgotten is the id it was delivered with"
