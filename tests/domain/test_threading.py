"""Conversations: the hashes that lead to a thread, and the choice among several."""

import re

from hypothesis import given
from hypothesis import strategies as st

from domain.rows import MAX_THREAD_MESSAGES
from domain.threading import MAX_REFS, Found, choose, ref, refs_of, subject_ref


def test_a_message_id_means_the_same_with_and_without_brackets_and_folding() -> None:
    assert ref("<a.b@example.org>") == ref(" a.b@example.org\r\n ") == ref("<a.b@\r\n example.org>")
    assert ref("<a@example.org>") != ref("<b@example.org>")


def test_a_ref_is_22_characters_and_nothing_for_nothing() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", ref("<a@example.org>"))
    assert ref("") == ref("<>") == ref(" ") == ""


def test_the_message_id_keeps_its_case() -> None:
    assert ref("<A@example.org>") != ref("<a@example.org>")


def test_a_message_mentions_its_own_id_first_then_its_nearest_parents() -> None:
    found = refs_of("<me@x>", ["<root@x>", "<parent@x>"], ["<parent@x>"])
    assert found == (ref("me@x"), ref("parent@x"), ref("root@x"))


def test_of_too_many_references_the_oldest_are_left_out() -> None:
    found = refs_of("<me@x>", [f"<{n}@x>" for n in range(500)], [])
    assert len(found) == MAX_REFS
    assert found[:2] == (ref("me@x"), ref("499@x"))


def test_a_subject_counts_with_its_correspondents_in_any_order_and_case() -> None:
    assert subject_ref("Lunch", ["A@x", "b@x"]) == subject_ref("  LUNCH ", ["B@X", "a@x", "a@x"])
    assert subject_ref("Lunch", ["a@x"]) != subject_ref("Lunch", ["b@x"])
    assert subject_ref(" ", ["a@x"]) == ""


def test_the_largest_thread_takes_the_others_and_the_smaller_id_breaks_a_tie() -> None:
    assert choose({"t3": 2, "t2": 5, "t1": 1}) == Found("t2", ("t3", "t1"))
    assert choose({"t2": 1, "t1": 1}) == Found("t1", ("t2",))
    assert choose({}) is None


def test_threads_without_messages_have_nothing_to_move() -> None:
    assert choose({"t1": 0, "t2": 3}) == Found("t2")
    assert choose({"t2": 0, "t1": 0}) == Found("t1")


def test_threads_too_large_together_stay_apart_and_the_largest_with_room_takes_it() -> None:
    assert choose({"t1": MAX_THREAD_MESSAGES, "t2": 3, "t3": 4}) == Found("t3")
    assert choose({"t1": MAX_THREAD_MESSAGES - 1, "t2": 1}) == Found("t1")
    assert choose({"t1": MAX_THREAD_MESSAGES}) is None


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, MAX_THREAD_MESSAGES), max_size=5))
def test_no_choice_ever_overfills_a_thread(totals: dict[str, int]) -> None:
    found = choose(totals)
    if found is not None:
        assert totals[found.into] + sum(totals[t] for t in found.joined) < MAX_THREAD_MESSAGES


@given(st.text(max_size=50))
def test_any_text_has_a_ref(text: str) -> None:
    assert len(ref(text)) in (0, 22)
