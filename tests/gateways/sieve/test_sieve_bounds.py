"""What an owner's script and a stranger's mail make of each other has a bound in memory and in work."""

import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.sieve.comparing import Budget, TooMuchError
from gateways.sieve.message import MAX_BODY_CHARS
from gateways.sieve.variables import MAX_VALUE_CHARS, Variables
from gateways.sieve.wildcards import matched
from tests.gateways.sieve.scripts import EVERYTHING, MAIL, message, outcome

ENDLESS = b"Subject: a\r\nContent-Type: text/plain\r\n\r\n" + b"a" * (2 << 20)


def as_pattern(pattern: str) -> str:
    """The wildcards as a regular expression says them, which is slow and sure."""
    words = re.findall(r"\\.|.", pattern, re.DOTALL)
    said = {"*": "(.*?)", "?": "(.)"}
    return "".join(said.get(word) or re.escape(word[1:] if len(word) == 2 else word) for word in words)


@settings(deadline=None)
@given(st.text("ab*?\\", max_size=12), st.text("ab?\\", max_size=14))
def test_a_pattern_matches_as_a_regular_expression_does(pattern: str, text: str) -> None:
    expected = re.fullmatch(as_pattern(pattern), text, re.DOTALL)
    spans = matched(pattern, text, Budget())
    assert spans == (None if expected is None else [expected.span(at) for at in range(1, len(expected.groups()) + 1)])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("pattern", [f"*?{'a' * 20_000}b*", f"*{'a?' * 5_000}b*", f"*{'a' * 9_000}?b", "*?b" * 5_000])
def test_no_pattern_is_held_against_a_megabyte_without_end(pattern: str) -> None:
    found = outcome(f'{EVERYTHING}if body :matches "{pattern}" {{ discard; }}', ENDLESS)
    assert found.is_kept


def test_every_place_that_is_tried_is_paid() -> None:
    with pytest.raises(TooMuchError):
        matched(f"*a{'?a' * 30}?b*", "a" * 1_000_000, Budget())


def test_a_pattern_with_question_marks_is_found_in_a_long_body() -> None:
    raw = b"Content-Type: text/plain\r\n\r\n" + b"What a day. " * 80_000 + b"Invoice 12345 of today"
    assert outcome(f'{EVERYTHING}if body :matches "*a?d?y*Invoice ????? of*" {{ discard; }}', raw).is_discarded


def test_variables_that_name_each_other_never_take_more_than_what_is_kept() -> None:
    variables = Variables()
    variables.set("a", "x" * MAX_VALUE_CHARS)
    text = "${a}" * 15_000
    tracemalloc.start()
    filled = variables.filled(text)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert filled == "x" * len(text)
    assert peak < 1_000_000
    assert variables.filled("<${a}${a}>") == "<" + "x" * (MAX_VALUE_CHARS - 1)
    assert variables.filled("<${b}>") == "<>"


def test_a_variable_that_doubles_in_each_line_stops_growing() -> None:
    script = 'set "a" "xxxxxxxx";\n' + 'set "a" "${a}${a}";\n' * 1_000
    assert list(outcome(f'{EVERYTHING}{script}set :length "n" "${{a}}"; fileinto :create "${{n}}";').created) == [
        "4096"
    ]


@pytest.mark.timeout(240)
def test_a_header_is_read_once_however_often_a_script_changes_it() -> None:
    addresses = b"To: " + b'"a, (b) <c>" <d@e.test>, ' * 2_000 + b"f@g.test\r\n"
    step = 'addheader "A" "b"; if address :count "lt" "to" "1" {} deleteheader "A";\n'
    found = outcome(EVERYTHING + step * 800, addresses * 20 + MAIL)
    assert not found.error
    assert found.is_kept


def test_all_parts_of_a_body_together_are_looked_at_no_further_than_one() -> None:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"a" * 300_000 + b"\r\n"
    raw = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 10 + b"--b--\r\n"
    assert sum(map(len, message(raw).body("content", ["text"]))) == MAX_BODY_CHARS
