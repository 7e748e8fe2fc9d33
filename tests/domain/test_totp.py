"""Codes that follow the time: RFC 6238 appendix B, and that none is good twice or long before or after its moment."""

import pytest

from domain.totp import PERIOD_S, code_of, matching_step, step_at

SECRET = b"12345678901234567890"
NOW_MS = 1_111_111_109_000


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_the_rfc(at_s: int, code: str) -> None:
    assert code_of(SECRET, step_at(at_s * 1000)) == code


def test_a_clock_may_be_one_period_off_and_no_more() -> None:
    now = step_at(NOW_MS)
    for away, found in ((-2, None), (-1, now - 1), (0, now), (1, now + 1), (2, None)):
        assert matching_step(SECRET, code_of(SECRET, now + away), now_ms=NOW_MS, after=0) == found


def test_no_code_is_good_once_it_or_a_later_one_was_accepted() -> None:
    now = step_at(NOW_MS)
    for after in (now, now + 1):
        assert matching_step(SECRET, code_of(SECRET, now), now_ms=NOW_MS, after=after) is None
    later_ms = NOW_MS + PERIOD_S * 1000
    assert matching_step(SECRET, code_of(SECRET, now + 1), now_ms=later_ms, after=now) == now + 1


@pytest.mark.parametrize("code", ["", "0", "08180", "0818040", "٠٨١٨٠٤", "\ud800", "o81804"])
def test_what_is_no_code_of_now_matches_nothing(code: str) -> None:
    assert matching_step(SECRET, code, now_ms=NOW_MS, after=0) is None
