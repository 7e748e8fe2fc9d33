"""What leaves holds no end of data but ours, whatever the host takes for the end of a line (CVE-2023-51764 and kin)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.relay.message import Letter

LENIENT = re.compile(rb"\r\n|\r|\n")
ENDS = (
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\n",
    b"\r\r.\r\r",
    b"\r\n\0.\r\n",
)
PIECES = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"From: a@b\r\n"]), max_size=30).map(b"".join)


def lines(raw: bytes, *, is_passed_on: bool) -> list[bytes]:
    """Those that a host finds that takes CR, LF and CRLF for line ends."""
    content, _size = Letter(raw, lambda _raw: b"", is_passed_on=is_passed_on).wire(in_seven_bits=False)
    assert content.endswith(b"\r\n")
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    return LENIENT.split(content)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("is_passed_on", [True, False])
def test_no_end_of_data_leaves_within_a_message(end: bytes, *, is_passed_on: bool) -> None:
    raw = b"From: a@b.test\r\n\r\nhello" + end + b"MAIL FROM:<ceo@example.test>\r\n"
    assert b"." not in lines(raw, is_passed_on=is_passed_on)


@given(PIECES)
def test_no_line_of_one_dot_leaves_whatever_was_written(raw: bytes) -> None:
    for is_passed_on in (True, False):
        assert b"." not in lines(raw, is_passed_on=is_passed_on)


@given(PIECES)
def test_whoever_takes_the_dots_away_reads_what_was_written_in_crlf_lines(raw: bytes) -> None:
    content, size_bytes = Letter(raw, lambda _raw: b"", is_passed_on=True).wire(in_seven_bits=False)
    read = b"".join(line[1:] if line.startswith(b".") else line for line in content.splitlines(keepends=True))
    written = LENIENT.sub(b"\r\n", raw)
    assert read == (written if written.endswith(b"\r\n") else written + b"\r\n")
    assert size_bytes == len(written)
