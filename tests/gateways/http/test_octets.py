"""Answers as octets: every field on a line of its own, every part with its length."""

import pytest

from gateways.http.octets import FieldBrokenError, chunk, whole
from gateways.http.operations import Answer


def test_an_answer_is_its_status_its_fields_and_its_body() -> None:
    head, _, body = whole(Answer(b"{}"), zipped=None, keep_alive=True).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"content-length: 2" in lines
    assert b"connection: close" not in lines
    assert body == b"{}"


def test_an_answer_without_a_body_has_no_length() -> None:
    assert b"content-length" not in whole(Answer(status=204), zipped=None, keep_alive=True)


def test_a_connection_that_ends_says_so() -> None:
    assert b"\r\nconnection: close\r\n" in whole(Answer(), zipped=None, keep_alive=False)


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_no_field_smuggles_in_another(value: bytes) -> None:
    with pytest.raises(FieldBrokenError):
        whole(Answer(headers=((b"x", value),)), zipped=None, keep_alive=True)


def test_a_part_has_its_length_before_it_and_nothing_is_no_part() -> None:
    assert chunk(b"x" * 18) == b"12\r\n" + b"x" * 18 + b"\r\n"
    assert chunk(b"") == b""
