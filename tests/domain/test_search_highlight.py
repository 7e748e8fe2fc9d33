"""Where a message says what was searched for."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.search_highlight import EXCERPT_CHARS, Highlights, highlight
from domain.search_language import QueryInvalidError, parse


def marked(q: str, subject: str = "", text: str = "") -> Highlights:
    return highlight(parse(q, 0), subject, text)


@pytest.mark.parametrize(
    ("q", "subject", "expected"),
    [
        ("fox", "The Fox, the fox", "The <mark>Fox</mark>, the <mark>fox</mark>"),
        ("cafe", "Café Cafe\u0301", "<mark>Café</mark> <mark>Cafe\u0301</mark>"),
        ('"big deal"', "big Big, deal big", "big <mark>Big, deal</mark> big"),
        ("ja*", "Jan jam ajar", "<mark>Jan</mark> <mark>jam</mark> ajar"),
        ("字か", "漢字かな", "漢<mark>字か</mark>な"),
        ("fox OR subject:dog", "fox dog", "<mark>fox</mark> <mark>dog</mark>"),
        ("a", "<b> & a", "&lt;b&gt; &amp; <mark>a</mark>"),
        ("b", "<b>", "&lt;<mark>b</mark>&gt;"),
        ("fox", "dog", None),
        ("x -fox", "fox", None),
        ("from:fox", "fox", None),
        ("is:unread", "unread", None),
    ],
)
def test_a_subject_is_shown_whole_with_the_words_marked(q: str, subject: str, expected: str | None) -> None:
    assert marked(q, subject=subject).subject == expected


def test_words_of_the_subject_alone_are_not_marked_in_the_text() -> None:
    assert marked("subject:fox", subject="fox", text="fox") == Highlights(subject="<mark>fox</mark>", text=None)


def test_a_text_is_cut_around_the_first_find() -> None:
    shown = marked("fox", text="lorem ipsum " * 50 + "fox & " + "dolor sit " * 50).text
    assert shown is not None
    assert shown.startswith("…lorem ipsum lorem ipsum lorem ipsum <mark>fox</mark> &amp; dolor")
    assert shown.endswith("…")
    assert len(html.unescape(re.sub("</?mark>", "", shown))) <= EXCERPT_CHARS + 2


def test_a_short_text_is_shown_whole() -> None:
    assert marked("fox", text="a fox").text == "a <mark>fox</mark>"


@given(st.text(max_size=80), st.text(max_size=300))
def test_nothing_but_marks_is_markup_and_nothing_is_lost(q: str, text: str) -> None:
    try:
        shown = marked(q, subject=text)
    except QueryInvalidError:
        return
    if shown.subject is not None:
        plain = re.sub("</?mark>", "", shown.subject)
        assert not re.search("[<>\"']", plain)
        assert html.unescape(plain) == html.unescape(html.escape(text))


@given(st.text(alphabet="ab <>&字é\u0301", max_size=300), st.text(alphabet="ab é字", min_size=1, max_size=3))
def test_marks_are_closed_and_never_nested(text: str, word: str) -> None:
    for shown in (marked(word, subject=text).subject, marked(word, text=text).text):
        assert re.fullmatch("(?:[^<>]|<mark>[^<>]+</mark>)*", shown or "", re.DOTALL)
