"""What a record makes of a sender's name has a bound, whatever both of them say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.authentication.spf_macros import MAX_NAME, MacroInvalidError, check_domain_spec, domain_name

SENDER = f"{'a.' * 31}a@{'b.' * 120}test"


@settings(deadline=None)
@given(st.text("a.", max_size=20), st.text("a.", max_size=300))
def test_of_a_name_too_long_the_left_labels_go(before: str, after: str) -> None:
    spec = f"{before}%{{d}}.test"
    expected = f"{before}{after}.test"
    while len(expected) > MAX_NAME and "." in expected:
        expected = expected.partition(".")[2]
    assert domain_name(spec, {"d": after}) == expected


@pytest.mark.timeout(60)
def test_a_record_of_thousands_of_macros_is_refused_and_not_expanded() -> None:
    spec = "%{s}" * 4_000 + ".example.test"
    with pytest.raises(MacroInvalidError, match="more than 100 macros"):
        check_domain_spec(spec)
    with pytest.raises(MacroInvalidError, match="more than 100 macros"):
        domain_name(spec, {"s": SENDER})


def test_as_many_macros_as_are_allowed_make_a_name_that_can_be_asked_for() -> None:
    spec = "%{s}" * 100 + ".example.test"
    check_domain_spec(spec)
    name = domain_name(spec, {"s": SENDER})
    assert len(name) <= MAX_NAME
    assert name.endswith("b.test.example.test")


def test_an_escaped_percent_sign_before_braces_is_no_macro() -> None:
    with pytest.raises(MacroInvalidError, match="is no domain"):
        check_domain_spec("a.test.%%{d}")
