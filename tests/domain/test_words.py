"""What counts as the same word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.words import MAX_TEXT_CHARS, MAX_WORD_CHARS, fold, wanted_words, word_spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ,.-_!?  ", []),
        ("Hello, World", ["hello", "world"]),
        ("don't x_y a-b", ["don", "t", "x", "y", "a", "b"]),
        ("Café CAFE\u0301 ｃａｆé", ["cafe", "cafe", "cafe"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Ørsted Łódź Ærø İstanbul", ["orsted", "lodz", "aero", "istanbul"]),
        ("ﬁne ½ x²", ["fine", "1", "2", "x2"]),
        ("Ελλάς ΕΛΛΑΣ", ["ελλασ", "ελλασ"]),
        ("שָׁלוֹם مُحَمَّد", ["שלום", "محمد"]),
        ("हिन्दी ไทย", ["हिन्दी", "ไทย"]),
        ("co\u00adop zero\u200dwidth", ["coop", "zerowidth"]),
        ("🎉party👍", ["🎉", "party", "👍"]),
        ("a\ud800b\x00c", ["a", "b", "c"]),
    ],
)
def test_words_are_folded_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("漢字かな", ["漢字", "字か", "かな", "な"]),
        ("字", ["字"]),
        ("abc漢字", ["abc", "漢字", "字"]),
        ("한국어", ["한국", "국어", "어"]),
        ("\u1112\u1161\u11ab국어", ["한국", "국어", "어"]),
        ("がぎ か\u3099ぎ ｶﾞ", ["がぎ", "ぎ", "がぎ", "ぎ", "ガ"]),
    ],
)
def test_scripts_without_spaces_become_pairs_and_the_last_character(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wörter", (("worter",), False)),
        ("alice@example.com", (("alice", "example", "com"), False)),
        ("漢字か", (("漢字", "字か"), False)),
        ("漢", (("漢",), True)),
        ("x 漢", (("x", "漢"), True)),
        ("漢字 x", (("漢字", "字", "x"), False)),
        ("--", ((), False)),
    ],
)
def test_a_query_wants_any_substring_of_a_script_without_spaces(
    text: str, expected: tuple[tuple[str, ...], bool]
) -> None:
    assert wanted_words(text) == expected


def test_long_words_and_long_texts_are_cut() -> None:
    assert words("a" * 1_000 + " é") == ["a" * MAX_WORD_CHARS, "e"]
    assert words("a" * 1_000) == ["a" * MAX_WORD_CHARS]
    assert len(words("a " * MAX_TEXT_CHARS)) == MAX_TEXT_CHARS // 2
    assert len(words("ﷺ" * MAX_TEXT_CHARS)) < MAX_TEXT_CHARS


def test_a_span_is_the_part_of_the_text_that_made_the_word() -> None:
    text = "Ein Cafe\u0301, straße 漢字 ﬁ"
    assert [(word, text[start:end]) for word, start, end in word_spans(text)] == [
        ("ein", "Ein"), ("cafe", "Cafe\u0301"), ("strasse", "straße"), ("漢字", "漢字"), ("字", "字"), ("fi", "ﬁ")
    ]  # fmt: skip


@given(st.text())
def test_spans_name_the_words_of_the_text_in_order(text: str) -> None:
    assert [word for word, _, _ in word_spans(text)] == words(text)


@given(st.text())
def test_a_word_is_its_own_only_word(text: str) -> None:
    for word in words(text):
        assert wanted_words(word)[0] == (word,)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_plain_letters_are_folded_alike_on_the_short_and_the_long_way(text: str) -> None:
    assert fold(text + "é") == fold(text) + "e"
    assert words(text + " é") == [*words(text), "e"]
