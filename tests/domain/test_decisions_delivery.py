"""A mailbox opens; messages come into being in it, in their conversation, under UIDs given once."""

import pytest

from domain import refusals
from domain.commands import HoldBlobs
from domain.decisions import DeleteMessages, Deliver, EraseMailbox, MailboxDecision, OpenMailbox, RestoreMailbox
from domain.events import (
    MailboxErased,
    MailboxOpened,
    MailboxRestored,
    MessageDelivered,
    QuotaWarned,
    ThreadsJoined,
)
from domain.rows import MAX_THREAD_MESSAGES, ThreadRow
from tests.domain.decided_mailbox import DAY_MS, MAILBOX, NOW_MS, PERSONAL, DecidedMailbox, server


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def arriving(**fields: object) -> dict[str, object]:
    wanted = {
        "personal": PERSONAL,
        "server": server(own="new@example.org"),
        "size": 1000,
        "received_at": NOW_MS,
        "labels": ("INBOX",),
        "source": "inbound",
    }
    return wanted | fields


def test_opening_gives_six_labels_different_uid_validities_from_now_on() -> None:
    (event,) = DecidedMailbox().log[0:1]
    assert isinstance(event.event, MailboxOpened)
    assert set(event.event.uid_validity) == {"INBOX", "ARCHIVE", "SENT", "DRAFTS", "TRASH", "SPAM"}
    assert sorted(event.event.uid_validity.values()) == [NOW_MS // 1000 + n for n in range(6)]


def test_opening_an_open_mailbox_appends_nothing(mailbox: DecidedMailbox) -> None:
    assert mailbox.run(OpenMailbox, address="ann@example.org", display_name="Ann", quota_bytes=1).events == ()


def test_nothing_is_decided_on_a_mailbox_that_never_opened() -> None:
    unopened = DecidedMailbox(opened=False)
    with pytest.raises(refusals.MailboxUnknownError):
        unopened.deliver()


def test_an_erased_mailbox_is_neither_used_nor_opened_again(mailbox: DecidedMailbox) -> None:
    assert mailbox.run(EraseMailbox, why="asked").events == (MailboxErased(why="asked"),)
    with pytest.raises(refusals.MailboxUnknownError):
        mailbox.deliver()
    with pytest.raises(refusals.MailboxErasedError):
        mailbox.run(OpenMailbox, address="ann@example.org", display_name="Ann", quota_bytes=1)


def all_kinds(kind: type = MailboxDecision) -> list[type]:
    return [kind, *(below for child in kind.__subclasses__() for below in all_kinds(child))]


def test_every_command_is_refused_before_the_opening_by_the_one_check() -> None:
    assert len(all_kinds()) > 35
    assert [kind.__name__ for kind in all_kinds() if kind.decide is not MailboxDecision.decide] == []


def test_a_restored_mailbox_gives_every_label_a_uid_validity_above_all_before(mailbox: DecidedMailbox) -> None:
    before = mailbox.rows.mailbox.last_uid_validity
    (event,) = mailbox.run(RestoreMailbox).events
    assert isinstance(event, MailboxRestored)
    assert len(set(event.uid_validity.values())) == 6
    assert min(event.uid_validity.values()) > before


def test_a_delivery_is_one_event_decided_from_one_read(mailbox: DecidedMailbox) -> None:
    decided = mailbox.run(Deliver, **arriving(blobs=("attachments/aa",), keywords=("$Flagged",)))
    (event,) = decided.events
    assert isinstance(event, MessageDelivered)
    assert (event.labels, event.uids, event.keywords) == (("INBOX",), {"INBOX": 1}, ("$flagged",))
    assert decided.answer == {"id": event.id, "thread_id": event.thread_id}
    assert decided.effects == (
        HoldBlobs(f"mailbox:{MAILBOX}:{event.id}", ("emails/new@example.org.eml", "attachments/aa")),
    )
    assert mailbox.reads == 1


def test_uids_of_a_label_run_on(mailbox: DecidedMailbox) -> None:
    uids = [mailbox.message(mailbox.deliver()).uids for _ in range(3)]
    assert uids == [[1], [2], [3]]


def test_inbound_mail_for_a_label_that_is_gone_goes_to_the_inbox(mailbox: DecidedMailbox) -> None:
    assert mailbox.labels(mailbox.deliver(labels=("lgone",))) == ["INBOX"]
    assert mailbox.labels(mailbox.deliver(labels=("lgone", "SPAM"))) == ["SPAM"]


def test_an_import_into_an_unknown_label_is_refused(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.LabelUnknownError):
        mailbox.deliver(labels=("lgone",), source="import")
    assert mailbox.labels(mailbox.deliver(labels=(), source="import")) == ["ARCHIVE"]


@pytest.mark.parametrize("word", ["", "two words", "$deleted", "$Recent", "a(b", "k" * 256, "ключ"])
def test_what_is_no_keyword_is_refused(mailbox: DecidedMailbox, word: str) -> None:
    with pytest.raises(refusals.KeywordInvalidError):
        mailbox.deliver(keywords=(word,))


def test_a_hundred_keywords_are_the_most(mailbox: DecidedMailbox) -> None:
    mailbox.deliver(keywords=tuple(f"k{n}" for n in range(100)))
    with pytest.raises(refusals.KeywordInvalidError):
        mailbox.deliver(keywords=tuple(f"k{n}" for n in range(101)))


def test_only_what_a_client_brings_along_may_bear_the_draft_keyword(mailbox: DecidedMailbox) -> None:
    assert mailbox.keywords(mailbox.deliver(keywords=("$draft",), labels=("DRAFTS",), source="append")) == ["$draft"]
    with pytest.raises(refusals.KeywordInvalidError):
        mailbox.deliver(keywords=("$draft",))


def test_accepted_mail_is_never_refused_for_want_of_room_but_an_import_is() -> None:
    small = DecidedMailbox(quota_bytes=1500)
    small.deliver(size=1000)
    with pytest.raises(refusals.MailboxFullError):
        small.deliver(size=501, source="import", limit_quota=True)
    small.deliver(size=500, source="import", limit_quota=True)
    small.deliver(size=501)


def test_a_warning_is_given_once_for_the_highest_level_passed_and_again_after_it_fell() -> None:
    small = DecidedMailbox(quota_bytes=1000)
    assert _warnings(small, 790) == []
    assert _warnings(small, 10) == [80]
    assert _warnings(small, 10) == []
    filler = small.deliver(size=150)
    assert small.rows.mailbox.quota_warned == 95
    small.run(DeleteMessages, ids=(filler,))
    small.run(DeleteMessages, ids=(filler,))
    assert small.rows.mailbox.quota_warned == 80
    assert _warnings(small, 90) == [90]


def _warnings(mailbox: DecidedMailbox, size: int) -> list[int]:
    decided = mailbox.run(Deliver, **arriving(size=size))
    return [event.level for event in decided.events if isinstance(event, QuotaWarned)]


def thread_of(mailbox: DecidedMailbox, **fields: object) -> str:
    return mailbox.message(mailbox.deliver(**fields)).thread_id


def test_a_reply_stands_in_the_thread_of_its_parent(mailbox: DecidedMailbox) -> None:
    parent = thread_of(mailbox, server=server(own="a"))
    assert thread_of(mailbox, server=server(own="b", mentions=["a"])) == parent


def test_a_late_parent_joins_its_children_by_itself(mailbox: DecidedMailbox) -> None:
    child = thread_of(mailbox, server=server(own="b", mentions=["a"]))
    assert thread_of(mailbox, server=server(own="a")) == child
    assert not any(isinstance(recorded.event, ThreadsJoined) for recorded in mailbox.log)


def test_messages_that_merely_share_a_subject_never_join(mailbox: DecidedMailbox) -> None:
    first = thread_of(mailbox, server=server(own="a", subject_ref="lunch"))
    assert thread_of(mailbox, server=server(own="b", subject_ref="lunch")) != first


@pytest.mark.parametrize(("later_ms", "together"), [(30 * DAY_MS, True), (30 * DAY_MS + 1, False)])
def test_a_reply_by_subject_alone_joins_within_thirty_days(
    mailbox: DecidedMailbox, later_ms: int, together: bool
) -> None:
    first = thread_of(mailbox, server=server(own="a", subject_ref="lunch"))
    reply = server(own="b", subject_ref="lunch")
    joined = thread_of(mailbox, server=reply, is_reply_by_subject=True, received_at=NOW_MS + later_ms)
    assert (joined == first) is together


def test_references_count_more_than_the_subject(mailbox: DecidedMailbox) -> None:
    thread_of(mailbox, server=server(own="a", subject_ref="lunch"))
    other = thread_of(mailbox, server=server(own="b"))
    reply = server(own="c", mentions=["b"], subject_ref="lunch")
    assert thread_of(mailbox, server=reply, is_reply_by_subject=True) == other


def test_a_message_that_bridges_two_threads_joins_the_smaller_to_the_larger_first(mailbox: DecidedMailbox) -> None:
    larger = thread_of(mailbox, server=server(own="a"))
    mailbox.deliver(server=server(own="a2", mentions=["a"]))
    small = mailbox.deliver(server=server(own="b"), labels=("INBOX", "SPAM"), keywords=("$seen",))
    decided = mailbox.run(Deliver, **arriving(server=server(own="c", mentions=["a", "b"])))
    joined, delivered = decided.events
    assert isinstance(joined, ThreadsJoined)
    assert isinstance(delivered, MessageDelivered)
    assert (joined.into, joined.message_ids, joined.uids) == (larger, (small,), {"INBOX": 4, "SPAM": 2})
    assert (delivered.thread_id, delivered.uids) == (larger, {"INBOX": 5})
    moved = mailbox.message(joined.new_ids[0])
    assert (moved.thread_id, moved.labels, moved.keywords, moved.origin) == (
        larger,
        ["INBOX", "SPAM"],
        ["$seen"],
        small,
    )
    assert mailbox.reads == 2


def test_after_a_join_every_reference_leads_to_the_one_thread(mailbox: DecidedMailbox) -> None:
    for server_part in (server(own="a"), server(own="b"), server(own="c", mentions=["a", "b"])):
        joined = thread_of(mailbox, server=server_part)
    assert thread_of(mailbox, server=server(own="d", mentions=["b"])) == joined
    assert {row.thread_id for row in mailbox.rows.references.values()} == {joined}


def test_a_full_thread_takes_no_more_and_a_new_one_begins(mailbox: DecidedMailbox) -> None:
    full = thread_of(mailbox, server=server(own="a"))
    _fill(mailbox, full)
    fresh = thread_of(mailbox, server=server(own="b", mentions=["a"]))
    assert fresh != full
    assert thread_of(mailbox, server=server(own="c", mentions=["a", "b"])) == fresh
    assert not any(isinstance(recorded.event, ThreadsJoined) for recorded in mailbox.log)


def test_a_hint_names_the_thread_unless_it_is_full(mailbox: DecidedMailbox) -> None:
    thread = thread_of(mailbox)
    assert thread_of(mailbox, thread_hint=thread) == thread
    _fill(mailbox, thread)
    assert thread_of(mailbox, thread_hint=thread) != thread


def _fill(mailbox: DecidedMailbox, thread_id: str) -> None:
    row = mailbox.rows.threads[thread_id, ""]
    assert isinstance(row, ThreadRow)
    row.total = MAX_THREAD_MESSAGES
