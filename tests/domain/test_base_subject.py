"""Base subjects by RFC 5256 section 2.1."""

import time

import pytest

from domain.base_subject import base_subject


@pytest.mark.parametrize(
    ("subject", "base", "marked"),
    [
        ("Hello", "Hello", False),
        ("Re: Hello", "Hello", True),
        ("RE : Fwd: Hello", "Hello", True),
        ("fw: Hello", "Hello", True),
        ("Re[2]: Hello", "Hello", True),
        ("[list] Re: [list] Hello", "Hello", True),
        ("[list] Hello", "Hello", False),
        ("[only a blob]", "[only a blob]", False),
        ("Hello (fwd)", "Hello", True),
        ("[Fwd: Re: Hello (fwd)]", "Hello", True),
        ("Re:", "", True),
        ("  many\t spaces ", "many spaces", False),
        ("Regarding: x", "Regarding: x", False),
        ("", "", False),
    ],
)
def test_marks_of_replies_and_forwards_are_taken_off(subject, base, marked):
    assert base_subject(subject) == (base, marked)


@pytest.mark.parametrize("piece", ["Re: ", "[a] ", "(fwd)", "[fwd:", "[", "re[", " "])
def test_a_megabyte_of_marks_takes_little_time(piece):
    started = time.process_time()
    base_subject(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 0.5
