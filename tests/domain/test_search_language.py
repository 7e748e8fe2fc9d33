"""What people type, and what it is read as."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import LabelId
from domain.search_language import MAX_NESTING, MAX_QUERY_CHARS, MAX_TERMS, QueryInvalidError, parse, resolve
from domain.search_query import (
    AddressIs,
    AllOf,
    AnyOf,
    Everything,
    HasAttachment,
    HasKeyword,
    IsUnread,
    Labelled,
    LabelNamed,
    LargerThan,
    MessageIdIs,
    Node,
    Not,
    Nothing,
    Phrase,
    Query,
    ReceivedBefore,
    ReceivedSince,
    SmallerThan,
    TextField,
    nodes,
)


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


NOW = ms(2026, 3, 31, 12)


def says(*words: str, field: TextField = "any", open_ended: bool = False) -> Phrase:
    return Phrase(field, words, open_ended)


@pytest.mark.parametrize(
    ("q", "root"),
    [
        ("", Everything()),
        ("  \t ", Everything()),
        ("!!!", Nothing()),
        ("-", Nothing()),
        ("()", Nothing()),
        ('""', Nothing()),
        ("hello", says("hello")),
        ("a & b", AllOf((says("a"), says("b")))),
        ('"Hello, World"', says("hello", "world")),
        ("hello-world", says("hello", "world")),
        ("hel*", says("hel", open_ended=True)),
        ('"hel*"', says("hel")),
        ("漢", says("漢", open_ended=True)),
        ("12:30", says("12", "30")),
        ("http://x.test/y", says("http", "x", "test", "y")),
        ("-a", Not(says("a"))),
        ('-"a b"', Not(says("a", "b"))),
        ("-from:a", Not(says("a", field="from"))),
        ("--a", Not(Not(says("a")))),
        ("-&", Nothing()),
        ("a- b", AllOf((says("a"), says("b")))),
        ("a b OR c", AllOf((says("a"), AnyOf((says("b"), says("c")))))),
        ("a OR b OR c", AnyOf((says("a"), says("b"), says("c")))),
        ("a OR -b", AnyOf((says("a"), Not(says("b"))))),
        ("a OR !!!", says("a")),
        ("a AND b", AllOf((says("a"), says("b")))),
        ("a or b", AllOf((says("a"), says("or"), says("b")))),
        ("ORder", says("order")),
        ("(a b) OR c", AnyOf((AllOf((says("a"), says("b"))), says("c")))),
        ("-(a OR b)", Not(AnyOf((says("a"), says("b"))))),
        ("a(b)", AllOf((says("a"), says("b")))),
        ("subject:a b", AllOf((says("a", field="subject"), says("b")))),
        ("Subject: a", says("a", field="subject")),
        ('subject:"a b"', says("a", "b", field="subject")),
        ("subject:(a OR from:b)", AnyOf((says("a", field="subject"), says("b", field="from")))),
        ("subject:!!! a", says("a")),
        ("from:alice", says("alice", field="from")),
        ("from:Alice@Example.com", AddressIs("from", "alice@example.com")),
        ("from:<a@b.test>", AddressIs("from", "a@b.test")),
        ("to:@b.test", AddressIs("to", "@b.test")),
        ("cc:alice@", AddressIs("cc", "alice@")),
        ("bcc:a@b*", says("a", "b", field="bcc", open_ended=True)),
        ("bcc:@", Nothing()),
        ("alice@b.test", says("alice", "b", "test")),
        ("filename:report.pdf", says("report", "pdf", field="filename")),
        ("has:attachment", HasAttachment()),
        ("is:unread", IsUnread()),
        ("IS:Read", Not(IsUnread())),
        ("is:starred", HasKeyword("$flagged")),
        ("label:Work/Übung", LabelNamed("work/übung")),
        ('label:"my label"', LabelNamed("my label")),
        ("in:Inbox", Labelled(LabelId("INBOX"))),
        ("label:spam", Labelled(LabelId("SPAM"))),
        ("label:anywhere", LabelNamed("anywhere")),
        ("in:anywhere", Everything()),
        ("before:2026-03-01", ReceivedBefore(ms(2026, 3, 1))),
        ("after:2026/3/1", ReceivedSince(ms(2026, 3, 1))),
        ("before:0001-01-01", ReceivedBefore(ms(1970, 1, 1) - 719_162 * 86_400_000)),
        ("older_than:3d", ReceivedBefore(ms(2026, 3, 28, 12))),
        ("newer_than:2w", ReceivedSince(ms(2026, 3, 17, 12))),
        ("older_than:1m", ReceivedBefore(ms(2026, 2, 28, 12))),
        ("older_than:2Y", ReceivedBefore(ms(2024, 3, 31, 12))),
        ("larger:10k", LargerThan(10_240)),
        ("smaller:5MB", SmallerThan(5 << 20)),
        ("larger:700", LargerThan(700)),
        ("rfc822msgid:<A.b@c>", MessageIdIs("A.b@c")),
        ('rfc822msgid:"A.b@c"', MessageIdIs("A.b@c")),
    ],
)
def test_a_query_is_read_as_people_mean_it(q: str, root: Node) -> None:
    assert parse(q, NOW).root == root


@pytest.mark.parametrize(
    ("q", "position", "says_so"),
    [
        ("a (b", 2, "never closed"),
        ("a) b", 1, "closes nothing"),
        ('a "b', 2, "never closed"),
        ("a OR", 2, "stands between"),
        ("OR a", 0, "stands between"),
        ("(a OR) b", 3, "stands between"),
        ("a OR OR b", 2, "stands between"),
        ("a OR AND b", 2, "stands between"),
        ("from:", 5, "value is missing"),
        ("is: ", 4, "value is missing"),
        ("is:(unread)", 3, "value is missing"),
        ("is:blue", 3, "is: knows unread"),
        ("has:fun", 4, "has: knows"),
        ("a before:2026-13-01", 9, "no such day"),
        ("before:2026-02-30", 7, "no such day"),
        ("before:yesterday", 7, "2026-11-22"),
        ("before:2026-01/02", 7, "2026-11-22"),
        ("before:٢٠٢٦-٠١-٠٢", 7, "2026-11-22"),
        ("older_than:3", 11, "3d, 2w, 1m or 1y"),
        ("newer_than:999999d", 11, "3d, 2w, 1m or 1y"),
        ("larger:big", 7, "a size is written"),
        ("larger:9999999999999", 7, "a size is written"),
        ("(" * 21 + "a", 21, "nested"),
        ("-" * 30 + "a", 20, "nested"),
        ("x " * MAX_TERMS + "y", 2 * MAX_TERMS, "at most 64 terms"),
        ('"' + "x " * (MAX_TERMS + 1) + '"', 0, "at most 64 terms"),
        ("x" * (MAX_QUERY_CHARS + 1), MAX_QUERY_CHARS, "at most 2000 characters"),
        ("a \ud800", 2, "Unicode"),
    ],
)
def test_a_query_that_cannot_be_read_says_where_and_why(q: str, position: int, says_so: str) -> None:
    with pytest.raises(QueryInvalidError, match=says_so) as caught:
        parse(q, NOW)
    assert caught.value.position == position


@pytest.mark.parametrize("q", ["(" * 20 + "a" + ")" * 20, "x " * MAX_TERMS, "x" * MAX_QUERY_CHARS, "older_than:99999y"])
def test_what_is_just_within_the_bounds_is_read(q: str) -> None:
    parse(q, NOW)


PIECES = st.sampled_from(
    ['"', "(", ")", "-", "OR", "AND", " ", "a", "b*", "from:", "is:unread", "in:", "larger:1", "é字"]
)


def position_of_error(q: str) -> int | None:
    try:
        parse(q, NOW)
    except QueryInvalidError as error:
        return error.position
    return None


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_is_a_query_or_says_where_it_is_not(q: str) -> None:
    position = position_of_error(q)
    assert position is None or 0 <= position <= len(q)


@given(st.lists(PIECES, max_size=200).map("".join))
def test_a_tree_is_no_larger_than_its_bounds(q: str) -> None:
    if position_of_error(q) is None:
        assert sum(1 for _ in nodes(parse(q, NOW).root)) <= 2 * MAX_TERMS + MAX_NESTING * MAX_TERMS


@pytest.mark.parametrize(
    ("q", "left_out"),
    [
        ("a", ("SPAM", "TRASH")),
        ("a in:spam", ("TRASH",)),
        ("a label:Trash", ("SPAM",)),
        ("(a OR (b in:trash)) label:spam", ()),
        ("-in:spam", ("TRASH",)),
        ("in:anywhere a", ()),
        ("in:inbox", ("SPAM", "TRASH")),
    ],
)
def test_spam_and_trash_stay_out_unless_named(q: str, left_out: tuple[str, ...]) -> None:
    assert parse(q, NOW).left_out == left_out


def test_label_paths_become_ids_and_an_unknown_one_finds_nothing() -> None:
    query = parse("label:Work/X -(label:gone OR in:anywhere a)", NOW)
    anything_and_a = AllOf((AnyOf((Nothing(), Everything())), says("a")))
    assert resolve(query, {"work/x": LabelId("l7")}) == Query(
        AllOf((Labelled(LabelId("l7")), Not(anything_and_a))), anywhere=True
    )
