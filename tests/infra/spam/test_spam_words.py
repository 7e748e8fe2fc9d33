"""What owners say of spam, folded from the events."""

from domain import events as e
from domain.ids import LabelId, MessageId, ThreadId
from projections.spam_words import SpamWords

A, B, C = (MessageId(name) for name in ("e1", "e2", "e3"))
INBOX, SPAM, TRASH, OWN = (LabelId(name) for name in ("INBOX", "SPAM", "TRASH", "l1"))


def words_of(*events: e.Event) -> SpamWords:
    words = SpamWords()
    words.add(e.RecordedEvent(seq, event.TOPIC, 0, event) for seq, event in enumerate(events, start=1))
    return words


def moved(*, to: LabelId, out_of: LabelId) -> e.LabelsChanged:
    return e.LabelsChanged(message_ids=(A,), added=(to,), removed=(out_of,), uids={to: 1})


def joined(old: MessageId, new: MessageId) -> e.ThreadsJoined:
    return e.ThreadsJoined(into=ThreadId("t1"), from_=ThreadId("t2"), message_ids=(old,), new_ids=(new,), uids={})


def test_a_report_and_a_move_into_spam_say_the_same() -> None:
    assert words_of(e.SpamReported(message_ids=(A,))).said == {A: True}
    assert words_of(moved(to=SPAM, out_of=INBOX)).said == {A: True}


def test_the_last_word_counts() -> None:
    assert words_of(e.SpamReported(message_ids=(A, B)), e.SpamCleared(message_ids=(A,))).said == {A: False, B: True}
    assert words_of(moved(to=SPAM, out_of=INBOX), moved(to=OWN, out_of=SPAM)).said == {A: False}


def test_who_throws_spam_away_does_not_praise_it() -> None:
    assert words_of(moved(to=TRASH, out_of=SPAM)).said == {}


def test_a_flag_or_an_answer_says_that_a_message_was_wanted_and_never_outweighs_a_word() -> None:
    flagged = e.KeywordsChanged(message_ids=(A,), added=("$flagged",), removed=())
    seen = e.KeywordsChanged(message_ids=(B,), added=("$seen",), removed=())
    words = words_of(e.SpamReported(message_ids=(A,)), flagged, seen)
    assert (words.said, list(words.wanted)) == ({A: True}, [A])


def test_a_word_follows_its_message_from_id_to_id() -> None:
    words = words_of(e.SpamReported(message_ids=(A,)), joined(A, B), joined(B, C))
    assert words.said == {C: True}
    assert words.renamed == {A: C}
    assert words_of(joined(A, B), joined(B, C)).renamed == {A: C}
