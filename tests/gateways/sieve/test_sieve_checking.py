"""What is no script, and where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.sieve.checking import MAX_FAULTS, ScriptInvalidError, program_of
from gateways.sieve.lexer import MAX_SCRIPT_OCTETS
from tests.gateways.sieve.scripts import EVERYTHING, outcome


def faults(script: str) -> list[tuple[int, str]]:
    with pytest.raises(ScriptInvalidError) as caught:
        program_of(script)
    return [(fault.line, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("script", "line", "told"),
    [
        ("keep", 1, "';' is expected"),
        ("\n\nkeep; %", 3, "'%' is not expected"),
        ('redirect "a@b.test', 1, "no end"),
        ("/* comment", 1, "no end"),
        ('keep;\nfileinto "a";', 2, 'require "fileinto"'),
        ('require "fileinto"; fileinto;', 1, "a string"),
        ('require "fileinto"; fileinto "a" "b";', 1, "no further"),
        ('require "fileinto"; fileinto :copy "a";', 1, 'require "copy"'),
        ('require "fileinto"; fileinto 3;', 1, "a string"),
        ('require "none";', 1, "not supported"),
        ('keep; require "fileinto";', 1, "before everything"),
        ("else { keep; }", 1, "follows no if"),
        ("if true { keep; } keep; elsif true {}", 1, "follows no if"),
        ("if { keep; }", 1, "takes a test"),
        ("if true;", 1, "takes a block"),
        ("if nothing { keep; }", 1, "no test 'nothing'"),
        ("nothing;", 1, "no command 'nothing'"),
        ("keep true;", 1, "neither test nor block"),
        ("keep { stop; }", 1, "neither test nor block"),
        ('redirect "nobody";', 1, "no address"),
        ("if size 3 {}", 1, ":over or :under"),
        ("if size :over :under 3 {}", 1, "exclude each other"),
        ("if size :over 4G {}", 1, "at most"),
        ('if header :is :contains "a" "b" {}', 1, "exclude each other"),
        ('if header :comparator "i;none" "a" "b" {}', 1, "no comparator"),
        ('if header :count "ge" "a" "b" {}', 1, 'require "relational"'),
        ('if header "a b" "c" {}', 1, "no name of a header field"),
        ('require "variables"; set "1a" "b";', 1, "no name of a variable"),
        ('require "variables"; set :lower :upper "a" "b";', 1, "exclude each other"),
        ('require "envelope"; if envelope "auth" "b" {}', 1, "only from and to"),
        ("if not not {}", 1, "takes one test"),
        ('require "encoded-character"; redirect "${unicode: D800}";', 1, "no character"),
    ],
)
def test_a_fault_is_told_with_its_line(script: str, line: int, told: str) -> None:
    found = faults(script)
    assert found[0][0] == line
    assert told in found[0][1]


def test_all_faults_are_told() -> None:
    assert [line for line, _ in faults("nothing;\nkeep;\nif true { none; }\nstop 3;")] == [1, 3, 4]


def test_a_script_is_bounded_in_size_depth_and_number() -> None:
    assert "octets" in faults("#" * (MAX_SCRIPT_OCTETS + 1))[0][1]
    assert "deep" in faults("if not " + "not " * 10_000 + "true {}")[0][1]
    assert "deep" in faults("if true {" * 5_000)[0][1]
    assert "commands" in faults("stop;" * 5_001)[0][1]


def test_comments_case_and_line_ends_do_not_matter() -> None:
    assert outcome("# a\r\n/* b\r\n */ IF True { DISCARD ; } # end").is_discarded


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_is_anything_but_a_script_that_runs_or_has_faults_in_its_lines(text: str) -> None:
    try:
        program_of(text)
    except ScriptInvalidError as error:
        lines = [fault.line for fault in error.faults]
        assert 0 < len(lines) <= MAX_FAULTS
        assert lines == sorted(lines)
        assert all(1 <= line <= 1 + text.count("\n") for line in lines)
        return
    found = outcome(text)
    assert found.is_kept or found.is_discarded


_WORDS = (
    "if elsif else not allof anyof true header address size keep discard stop fileinto redirect vacation set setflag"
    " reject addheader deleteheader string body :is :matches :copy :over :count :create :days :comparator :index"
    ' :content :flags "a" "*?\\\\*" "${1}${a}" "a@b.test" "subject" "i;octet" "ge" 1K 3 ["x","y"] { } ( ) ; ,'
)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*_WORDS.split(), "text:\na\n.\n", "# c\n"]), max_size=40))
def test_whatever_is_a_script_runs_to_an_outcome(words: list[str]) -> None:
    script = EVERYTHING + " ".join(words)
    try:
        program_of(script)
    except ScriptInvalidError:
        return
    found = outcome(script)
    assert found.error or found.is_anywhere or found.is_discarded or found.redirects or found.rejected is not None
