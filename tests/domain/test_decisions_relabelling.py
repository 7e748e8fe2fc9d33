"""Reading, labelling, deleting, expunging, snoozing, reporting: what each does to messages, event by event."""

import pytest

from domain import refusals
from domain.commands import ForgetLater
from domain.decisions import (
    DeleteMessages,
    EndSnooze,
    ExpireMessages,
    Expunge,
    MarkDeletion,
    Modify,
    Reparse,
    ReportNotSpam,
    ReportSpam,
    SaveDraft,
    Snooze,
    UnmarkDeletion,
)
from domain.events import (
    DeletionMarked,
    DeletionUnmarked,
    DraftDiscarded,
    KeywordsChanged,
    LabelsChanged,
    MessagePersonal,
    MessageReparsed,
    MessagesDeleted,
    MessagesSnoozed,
    SnoozeEnded,
    SpamCleared,
    SpamReported,
)
from domain.times import rfc3339
from tests.domain.decided_mailbox import DAY_MS, NOW_MS, PERSONAL, DecidedMailbox, server


@pytest.fixture
def mailbox() -> DecidedMailbox:
    return DecidedMailbox()


def draft_of(mailbox: DecidedMailbox) -> tuple[str, str]:
    """The ids of a new draft and of its message."""
    fields = {"personal": PERSONAL, "server": server(own="draft"), "size": 10, "received_at": NOW_MS}
    answer = mailbox.run(SaveDraft, **fields).answer
    return str(answer["draft_id"]), str(answer["message_id"])


def test_reading_and_moving_are_two_events_decided_from_one_read(mailbox: DecidedMailbox) -> None:
    one, two = mailbox.deliver(), mailbox.deliver()
    wishes = {"add_labels": ("SPAM",), "remove_labels": ("INBOX",), "add_keywords": ("$Seen",)}
    assert mailbox.run(Modify, ids=(one, two), **wishes).events == (
        KeywordsChanged(message_ids=(one, two), added=("$seen",), removed=()),
        LabelsChanged(message_ids=(one, two), added=("SPAM",), removed=("INBOX",), uids={"SPAM": 1}),
    )
    assert mailbox.reads == 1


def test_what_changes_nothing_appends_nothing(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(keywords=("$seen",))
    wishes = {"add_labels": ("INBOX",), "remove_labels": ("SPAM",), "add_keywords": ("$seen",)}
    assert mailbox.run(Modify, ids=(one,), **wishes).events == ()


def test_mixed_states_become_an_event_for_each(mailbox: DecidedMailbox) -> None:
    plain, spam, both = mailbox.deliver(), mailbox.deliver(labels=("SPAM",)), mailbox.deliver(labels=("INBOX", "SPAM"))
    events = mailbox.run(Modify, ids=(plain, spam, both), add_labels=("SPAM",), remove_labels=("INBOX",)).events
    assert events == (
        LabelsChanged(message_ids=(plain,), added=("SPAM",), removed=("INBOX",), uids={"SPAM": 3}),
        LabelsChanged(message_ids=(both,), added=(), removed=("INBOX",), uids={}),
    )


def test_several_events_of_one_decision_give_different_uids(mailbox: DecidedMailbox) -> None:
    ids = (mailbox.deliver(), mailbox.deliver(labels=("SPAM",)), mailbox.deliver())
    events = mailbox.run(Modify, ids=ids, add_labels=("ARCHIVE",), remove_labels=("SPAM",)).events
    assert [(event.message_ids, event.uids) for event in events] == [
        ((ids[0], ids[2]), {"ARCHIVE": 1}),
        ((ids[1],), {"ARCHIVE": 3}),
    ]
    assert [mailbox.message(i).uids[0] for i in ids] == [1, 3, 2]


def test_the_last_label_taken_away_gives_archive_in_the_same_event(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    (event,) = mailbox.run(Modify, ids=(one,), remove_labels=("INBOX",)).events
    assert event == LabelsChanged(message_ids=(one,), added=("ARCHIVE",), removed=("INBOX",), uids={"ARCHIVE": 1})
    assert mailbox.run(Modify, ids=(one,), remove_labels=("ARCHIVE",)).events == ()


def test_a_label_both_added_and_removed_is_added(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    assert mailbox.run(Modify, ids=(one,), add_labels=("INBOX",), remove_labels=("INBOX",)).events == ()


def test_unknown_messages_are_named_and_nothing_changes(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    with pytest.raises(refusals.MessageUnknownError) as refused:
        mailbox.run(Modify, ids=(one, "egone", "enever"), add_keywords=("$seen",))
    assert refused.value.members == {"ids": ["egone", "enever"]}
    assert mailbox.keywords(one) == []


def test_a_thousand_messages_are_the_most(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.TooManyIdsError):
        mailbox.run(Modify, ids=tuple(f"e{n}" for n in range(1001)), add_keywords=("$seen",))


def test_a_message_named_twice_changes_once(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    (event,) = mailbox.run(Modify, ids=(one, one), add_keywords=("$seen",)).events
    assert event.message_ids == (one,)


def test_unknown_labels_are_refused(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    for wish in ({"add_labels": ("lgone",)}, {"remove_labels": ("lgone",)}):
        with pytest.raises(refusals.LabelUnknownError):
            mailbox.run(Modify, ids=(one,), **wish)


@pytest.mark.parametrize("wish", [{"add_keywords": ("$draft",)}, {"remove_keywords": ("$DRAFT",)}])
def test_nobody_gives_or_takes_the_draft_keyword_by_hand(mailbox: DecidedMailbox, wish: dict[str, object]) -> None:
    one = mailbox.deliver()
    with pytest.raises(refusals.KeywordInvalidError):
        mailbox.run(Modify, ids=(one,), **wish)


def test_the_hundred_and_first_keyword_is_refused(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(keywords=tuple(f"k{n}" for n in range(100)))
    with pytest.raises(refusals.KeywordInvalidError):
        mailbox.run(Modify, ids=(one,), add_keywords=("one-more",))
    mailbox.run(Modify, ids=(one,), add_keywords=("one-more",), remove_keywords=("k0",))


@pytest.mark.parametrize("wish", [{"add_labels": ("SENT",)}, {"remove_labels": ("DRAFTS",)}])
def test_a_draft_stays_in_drafts_but_may_have_other_labels(mailbox: DecidedMailbox, wish: dict[str, object]) -> None:
    _, message_id = draft_of(mailbox)
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(Modify, ids=(message_id,), **wish)
    mailbox.run(Modify, ids=(message_id,), add_labels=("INBOX",))
    assert mailbox.labels(message_id) == ["DRAFTS", "INBOX"]


def test_deleting_moves_to_trash_which_replaces_all_labels(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(labels=("ARCHIVE", "INBOX"))
    assert mailbox.run(DeleteMessages, ids=(one,)).events == (
        LabelsChanged(message_ids=(one,), added=("TRASH",), removed=("ARCHIVE", "INBOX"), uids={"TRASH": 1}),
    )
    assert mailbox.reads == 1


@pytest.mark.parametrize("label", ["TRASH", "SPAM"])
def test_deleting_from_trash_or_spam_is_for_good(mailbox: DecidedMailbox, label: str) -> None:
    one = mailbox.deliver(labels=(label,))
    decided = mailbox.run(DeleteMessages, ids=(one,))
    assert decided.events == (MessagesDeleted(message_ids=(one,), why="user"),)
    assert decided.effects == (ForgetLater((one,)),)
    with pytest.raises(refusals.MessageUnknownError):
        mailbox.run(DeleteMessages, ids=(one,))


def test_in_trash_a_message_that_other_labels_hold_only_leaves_trash(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(labels=("INBOX", "TRASH"))
    assert mailbox.run(DeleteMessages, ids=(one,)).events == (
        LabelsChanged(message_ids=(one,), added=(), removed=("TRASH",), uids={}),
    )


def test_a_deleted_draft_is_discarded_and_an_ordinary_message_in_trash(mailbox: DecidedMailbox) -> None:
    draft_id, message_id = draft_of(mailbox)
    assert mailbox.run(DeleteMessages, ids=(message_id,)).events == (
        DraftDiscarded(draft_id=draft_id, sent=False),
        KeywordsChanged(message_ids=(message_id,), added=(), removed=("$draft",)),
        LabelsChanged(message_ids=(message_id,), added=("TRASH",), removed=("DRAFTS",), uids={"TRASH": 1}),
    )


def test_after_thirty_days_trash_is_emptied_of_what_is_held_nowhere_else(mailbox: DecidedMailbox) -> None:
    old, held = mailbox.deliver(labels=("TRASH",)), mailbox.deliver(labels=("ARCHIVE", "TRASH"))
    mailbox.now_ms += 1
    new = mailbox.deliver(labels=("TRASH",))
    wanted = {"label_id": "TRASH", "ids": (old, held, new, "egone"), "before_ms": mailbox.now_ms}
    assert mailbox.run(ExpireMessages, **wanted).events == (
        LabelsChanged(message_ids=(held,), added=(), removed=("TRASH",), uids={}),
        MessagesDeleted(message_ids=(old,), why="retention"),
    )
    assert mailbox.run(ExpireMessages, **wanted).events == ()


def test_nothing_but_trash_and_spam_expires(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(ExpireMessages, label_id="INBOX", ids=(mailbox.deliver(),), before_ms=NOW_MS * 2)


def test_deletion_marks_are_set_and_taken_once_and_only_in_their_label(mailbox: DecidedMailbox) -> None:
    one, elsewhere = mailbox.deliver(), mailbox.deliver(labels=("SPAM",))
    wanted = {"label_id": "INBOX", "ids": (one, elsewhere, "egone")}
    assert mailbox.run(UnmarkDeletion, **wanted).events == ()
    assert mailbox.run(MarkDeletion, **wanted).events == (DeletionMarked(label_id="INBOX", message_ids=(one,)),)
    assert mailbox.run(MarkDeletion, **wanted).events == ()
    assert mailbox.run(UnmarkDeletion, **wanted).events == (DeletionUnmarked(label_id="INBOX", message_ids=(one,)),)
    with pytest.raises(refusals.LabelUnknownError):
        mailbox.run(MarkDeletion, label_id="lgone", ids=(one,))


def expunge(mailbox: DecidedMailbox, label_id: str, *ids: str) -> tuple[object, ...]:
    mailbox.run(MarkDeletion, label_id=label_id, ids=ids)
    return mailbox.run(Expunge, label_id=label_id, ids=ids).events


def test_expunge_takes_only_that_label_away(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(labels=("ARCHIVE", "INBOX"))
    assert expunge(mailbox, "INBOX", one) == (LabelsChanged(message_ids=(one,), added=(), removed=("INBOX",), uids={}),)


def test_expunge_leaves_what_is_not_marked(mailbox: DecidedMailbox) -> None:
    assert mailbox.run(Expunge, label_id="INBOX", ids=(mailbox.deliver(),)).events == ()


def test_what_is_expunged_from_its_only_label_goes_to_trash_and_from_there_for_good(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    assert expunge(mailbox, "INBOX", one) == (
        LabelsChanged(message_ids=(one,), added=("TRASH",), removed=("INBOX",), uids={"TRASH": 1}),
    )
    assert expunge(mailbox, "TRASH", one) == (MessagesDeleted(message_ids=(one,), why="user"),)


def test_an_expunged_draft_is_discarded(mailbox: DecidedMailbox) -> None:
    draft_id, message_id = draft_of(mailbox)
    assert DraftDiscarded(draft_id=draft_id, sent=False) in expunge(mailbox, "DRAFTS", message_id)
    assert (mailbox.labels(message_id), mailbox.keywords(message_id)) == (["TRASH"], ["$seen"])


def test_a_snooze_takes_out_of_inbox_and_its_end_brings_back_on_top(mailbox: DecidedMailbox) -> None:
    one, until = mailbox.deliver(), NOW_MS + DAY_MS
    assert mailbox.run(Snooze, ids=(one,), until_ms=until).events == (
        MessagesSnoozed(message_ids=(one,), until=rfc3339(until)),
        LabelsChanged(message_ids=(one,), added=("ARCHIVE",), removed=("INBOX",), uids={"ARCHIVE": 1}),
    )
    assert mailbox.run(Snooze, ids=(one,), until_ms=until).events == ()
    assert mailbox.run(EndSnooze, ids=(one,), at_ms=until).events == ()
    mailbox.now_ms = until + 5
    assert mailbox.run(EndSnooze, ids=(one, "egone"), at_ms=until + 5).events == (
        SnoozeEnded(message_ids=(one,), listed_at=rfc3339(until + 5)),
        LabelsChanged(message_ids=(one,), added=("INBOX",), removed=("ARCHIVE",), uids={"INBOX": 2}),
    )
    assert mailbox.run(EndSnooze, ids=(one,), at_ms=until + 5).events == ()


@pytest.mark.parametrize("until_ms", [0, NOW_MS, NOW_MS + 6 * 366 * DAY_MS])
def test_a_snooze_ends_in_the_future_within_five_years(mailbox: DecidedMailbox, until_ms: int) -> None:
    with pytest.raises(refusals.SnoozeInvalidError):
        mailbox.run(Snooze, ids=(mailbox.deliver(),), until_ms=until_ms)


def test_what_is_in_trash_cannot_be_snoozed(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.SnoozeInvalidError):
        mailbox.run(Snooze, ids=(mailbox.deliver(labels=("TRASH",)),), until_ms=NOW_MS + 1)


@pytest.mark.parametrize("label", ["INBOX", "TRASH", "SPAM"])
def test_moving_a_snoozed_message_cancels_its_snooze_first(mailbox: DecidedMailbox, label: str) -> None:
    one = mailbox.deliver()
    mailbox.run(Snooze, ids=(one,), until_ms=NOW_MS + 1)
    first, second = mailbox.run(Modify, ids=(one,), add_labels=(label,)).events
    assert first == SnoozeEnded(message_ids=(one,), listed_at=None)
    assert second.added == (label,)
    assert mailbox.message(one).listed_at == NOW_MS


def test_deleting_a_snoozed_message_cancels_its_snooze(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    mailbox.run(Snooze, ids=(one,), until_ms=NOW_MS + 1)
    assert mailbox.run(DeleteMessages, ids=(one,)).events[0] == SnoozeEnded(message_ids=(one,), listed_at=None)


def test_reporting_spam_moves_and_marks_it_and_again_does_nothing(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(keywords=("$notjunk",))
    assert mailbox.run(ReportSpam, ids=(one,)).events == (
        SpamReported(message_ids=(one,)),
        KeywordsChanged(message_ids=(one,), added=("$junk",), removed=("$notjunk",)),
        LabelsChanged(message_ids=(one,), added=("SPAM",), removed=("INBOX",), uids={"SPAM": 1}),
    )
    assert mailbox.run(ReportSpam, ids=(one,)).events == ()


def test_what_is_no_spam_comes_to_the_inbox(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(labels=("SPAM",), keywords=("$junk",))
    assert mailbox.run(ReportNotSpam, ids=(one,)).events == (
        SpamCleared(message_ids=(one,)),
        KeywordsChanged(message_ids=(one,), added=("$notjunk",), removed=("$junk",)),
        LabelsChanged(message_ids=(one,), added=("INBOX",), removed=("SPAM",), uids={"INBOX": 1}),
    )
    assert mailbox.run(ReportNotSpam, ids=(one,)).events == ()


def test_what_is_in_trash_too_stays_there_when_it_is_no_spam(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver(labels=("SPAM", "TRASH"))
    mailbox.run(ReportNotSpam, ids=(one,))
    assert (mailbox.labels(one), mailbox.keywords(one)) == (["TRASH"], ["$notjunk"])


def test_a_draft_is_no_spam(mailbox: DecidedMailbox) -> None:
    with pytest.raises(refusals.LabelReservedError):
        mailbox.run(ReportSpam, ids=(draft_of(mailbox)[1],))


def test_a_better_summary_is_recorded_once(mailbox: DecidedMailbox) -> None:
    one, better = mailbox.deliver(), MessagePersonal(subject="Lunch?")
    same = {"message_id": one, "parser": 2, "has_attachment": False}
    assert mailbox.run(Reparse, personal=PERSONAL, **same).events == ()
    (event,) = mailbox.run(Reparse, personal=better, **same).events
    assert event == MessageReparsed(message_id=one, parser=2, has_attachment=False, personal=better)


def test_a_redacted_summary_stays_redacted(mailbox: DecidedMailbox) -> None:
    one = mailbox.deliver()
    mailbox.message(one).summary = None
    again = {"message_id": one, "parser": 2, "has_attachment": True}
    assert mailbox.run(Reparse, personal=PERSONAL, **again).events == ()
