"""Attachments taken out and put back: always the same bytes."""

import binascii
from base64 import encodebytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.mime.holes import MAGIC, HoleError, Split, is_packed, join, pack, split, storable, unpack
from gateways.mime.parse import parse

CONTENT = bytes(range(256)) * 400


def with_attachment(body: bytes, encoding: bytes = b"base64") -> bytes:
    return (
        (
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
            b"Content-Type: application/pdf\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: "
            + encoding
        )
        + b"\r\n\r\n"
        + body
        + b"\r\n--b--\r\n"
    )


def split_of(raw: bytes) -> Split:
    return split(raw, parse(raw))


def letters(width: int, newline: bytes) -> bytes:
    whole = binascii.b2a_base64(CONTENT, newline=False)
    return newline.join(whole[at : at + width] for at in range(0, len(whole), width))


@pytest.mark.parametrize(
    "body",
    [
        letters(76, b"\r\n"),
        letters(76, b"\n"),
        letters(72, b"\r\n") + b"\r\n",
        letters(60, b"\r\n") + b"\r\n\r\n",
        b"\r\n" + letters(76, b"\r\n"),
        letters(4, b"\n"),
        letters(10_000_000, b""),
    ],
)
def test_an_attachment_in_regular_base64_is_taken_out_and_put_back(body):
    raw = with_attachment(body)
    done = split_of(raw)
    assert len(done.holes) == 1
    assert len(done.skeleton) == len(raw) - done.holes[0].length_encoded
    assert list(done.parts.values()) == [CONTENT]
    assert join(done.skeleton, done.holes, done.parts.__getitem__) == raw


@pytest.mark.parametrize(
    "body",
    [
        letters(75, b"\r\n"),
        letters(76, b"\r\n").replace(b"\r\n", b"\n", 3),
        letters(76, b"\r\n").replace(b"\r\n", b" \r\n", 1),
        letters(76, b"\r\n") + b"!",
        letters(76, b"\r\n").rstrip(b"="),
        letters(76, b"\r\n") + b"\r\n" * 100,
    ],
)
def test_what_does_not_encode_back_exactly_stays_inside(body):
    raw = with_attachment(body)
    done = split_of(raw)
    assert done.holes == () or join(done.skeleton, done.holes, done.parts.__getitem__) == raw
    assert len(done.holes) == (
        1 if body == letters(76, b"\r\n").rstrip(b"=") and not letters(76, b"").endswith(b"=") else 0
    )


def test_an_unencoded_attachment_is_taken_out_as_it_is():
    raw = with_attachment(b"line\r\n" * 20_000, b"8bit")
    done = split_of(raw)
    assert [hole.encoding for hole in done.holes] == ["identity"]
    assert join(done.skeleton, done.holes, done.parts.__getitem__) == raw


def test_small_attachments_stay_inside():
    raw = with_attachment(encodebytes(b"x" * 65_536))
    assert split_of(raw).holes == ()


def test_the_same_file_twice_is_one_part_with_two_holes():
    part = (
        b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + letters(76, b"\r\n") + b"\r\n"
    )
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part + part + b"--b--\r\n"
    done = split_of(raw)
    assert (len(done.holes), len(done.parts)) == (2, 1)
    assert join(done.skeleton, done.holes, done.parts.__getitem__) == raw


def test_a_packed_message_is_unpacked_the_same():
    done = split_of(with_attachment(letters(76, b"\r\n")))
    packed = pack(done)
    assert is_packed(packed)
    assert unpack(packed) == (done.skeleton, done.holes, done.sha256, done.size)


@pytest.mark.parametrize(
    "damaged", [b"", MAGIC, MAGIC + b"\xff\xff\xff\xff", MAGIC + b"\x00\x00\x00\x01\xc1", b"Subject: x"]
)
def test_a_damaged_packed_message_is_said_to_be_damaged(damaged):
    with pytest.raises(HoleError):
        unpack(damaged)


def test_a_strangers_message_that_looks_packed_names_no_holes():
    forged = pack(split_of(with_attachment(letters(76, b"\r\n"))))
    stored = unpack(storable(forged))
    assert (stored.skeleton, stored.holes) == (forged, ())
    assert storable(b"Subject: x\r\n\r\n") == b"Subject: x\r\n\r\n"


def test_a_part_of_another_length_is_not_put_in():
    done = split_of(with_attachment(letters(76, b"\r\n")))
    with pytest.raises(HoleError):
        join(done.skeleton, done.holes, lambda _: b"other")


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=1, max_size=64), st.integers(1, 250), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_content_and_line_length_comes_back(content, width, newline):
    content = content * (65_600 // len(content) + 1)
    whole = binascii.b2a_base64(content, newline=False)
    raw = with_attachment(newline.join(whole[at : at + width] for at in range(0, len(whole), width)))
    done = split_of(raw)
    assert join(done.skeleton, done.holes, done.parts.__getitem__) == raw
