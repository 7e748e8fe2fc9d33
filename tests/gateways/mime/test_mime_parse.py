"""What one reading of a message gives, for good mail and for the worst."""

import time
from base64 import encodebytes
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.mime.parse import parse
from gateways.mime.structure import MAX_PARTS, Address, ParsedMessage, part_at, walk


def lines(*text: str) -> bytes:
    return "\r\n".join(text).encode() + b"\r\n"


def subject_of(value: bytes) -> str:
    return parse(b"Subject: " + value + b"\r\n\r\n").summary.subject


def sender_of(value: str) -> tuple[Address, ...]:
    return parse(f"From: {value}\r\n\r\n".encode()).summary.from_


MIXED = lines(
    "From: Ann <ann@example.test>",
    "Content-Type: multipart/mixed; boundary=outer",
    "",
    "preamble",
    "--outer",
    "Content-Type: multipart/alternative; boundary=inner",
    "",
    "--inner",
    "Content-Type: text/plain",
    "",
    "plain words",
    "--inner",
    "Content-Type: text/html",
    "",
    "<p>rich words</p>",
    "--inner--",
    "--outer",
    "Content-Type: application/pdf",
    "Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%20rates.pdf; filename=rates.pdf",
    "Content-Transfer-Encoding: base64",
    "",
    "aGVsbG8=",
    "--outer",
    "Content-Type: message/rfc822",
    "",
    "Subject: inside",
    "Content-Type: multipart/mixed; boundary=deep",
    "",
    "--deep",
    "",
    "inner text",
    "--deep--",
    "--outer--",
    "epilogue",
)


def test_parts_have_the_section_paths_of_imap():
    paths = [(part.path, part.content_type) for part in walk(parse(MIXED).structure)]
    assert paths == [
        ("TEXT", "multipart/mixed"),
        ("1", "multipart/alternative"),
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "application/pdf"),
        ("3", "message/rfc822"),
        ("3.TEXT", "multipart/mixed"),
        ("3.1", "text/plain"),
    ]


def test_offsets_cut_each_body_out_of_the_message_without_the_line_end_before_its_boundary():
    structure = parse(MIXED).structure
    bodies = {part.path: MIXED[part.body_start : part.body_end] for part in walk(structure)}
    assert bodies["1.1"] == b"plain words"
    assert bodies["2"] == b"aGVsbG8="
    assert bodies["3.1"] == b"inner text"
    inner = part_at(structure, "3")
    assert inner is not None
    assert MIXED[inner.header_start : inner.body_start] == b"Content-Type: message/rfc822\r\n\r\n"


def test_an_attachment_has_the_hash_and_size_of_its_decoded_bytes_and_its_extended_name():
    pdf, message = parse(MIXED).attachments
    assert (pdf.id, pdf.filename, pdf.size, pdf.sha256) == ("a2", "€ rates.pdf", 5, sha256(b"hello").hexdigest())
    assert (message.id, message.filename, message.content_type) == ("a3", "message-3.eml", "message/rfc822")


def test_the_text_for_search_is_the_plain_alternative():
    parsed = parse(MIXED)
    assert parsed.text == "plain words"
    assert parsed.snippet == "plain words"


def test_html_alone_becomes_text():
    parsed = parse(lines("Content-Type: text/html", "", "<style>p{}</style><p>Caf&eacute; <b>now</b></p><br>two"))
    assert parsed.text == "Café now\ntwo"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"=?utf-8?q?Caf=C3=A9?= today", "Café today"),
        (b"=?utf-8?B?w6k=?= =?UTF-8?b?w6k=?=", "éé"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        (b"=?iso-8859-1?q?a_b=E9?=", "a bé"),
        (b"=?no-such?q?a=E9?=", "aé"),
        (b"=?punycode?q?abc-xyz?=", "abc-xyz"),
        (b"=?utf-8*en?q?hello?=", "hello"),
        ("naïve".encode(), "naïve"),
        ("naïve".encode("cp1252"), "naïve"),
        (b"folded\r\n line", "folded line"),
        (b"nul\x00 here", "nul here"),
        (b"=?utf-8?q?broken", "=?utf-8?q?broken"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
    ],
)
def test_a_subject_is_decoded_as_well_as_it_can_be(value, shown):
    assert subject_of(value) == shown


def test_raw_eight_bit_headers_follow_the_declared_charset():
    raw = "Subject: Привет\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nмир".encode("koi8-r")
    parsed = parse(raw)
    assert (parsed.summary.subject, parsed.text) == ("Привет", "мир")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ann@example.test", [("", "ann@example.test")]),
        ("Ann <ann@example.test>", [("Ann", "ann@example.test")]),
        (
            '"Doe, Jane" <j@example.test>, Bob <b@example.test>',
            [("Doe, Jane", "j@example.test"), ("Bob", "b@example.test")],
        ),
        ("ann@example.test (Ann (the first))", [("Ann (the first)", "ann@example.test")]),
        ("Friends: ann@example.test, b@example.test;", [("", "ann@example.test"), ("", "b@example.test")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?q?J=C3=BCrgen,_X?= <j@example.test>", [("Jürgen, X", "j@example.test")]),
        ('"=?utf-8?q?J=C3=BCrgen?=" <j@example.test>', [("Jürgen", "j@example.test")]),
        ("<@relay.test:ann@example.test>", [("", "ann@example.test")]),
        ("ann @ example.test", [("", "ann@example.test")]),
        ('"ann smith"@example.test', [("", '"ann smith"@example.test')]),
        ("MAILER-DAEMON", [("", "MAILER-DAEMON")]),
        ("Just A Name", [("Just A Name", "")]),
        ("<>", []),
        ("Ann ann@example.test", [("Ann", "ann@example.test")]),
    ],
)
def test_addresses_are_read_as_people_write_them(value, found):
    assert [(a.name, a.address) for a in sender_of(value)] == found


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        ("Sun, 22 Nov 2026 05:26:00 +0000", 1795325160000),
        ("22 Nov 2026 06:26 +0100", 1795325160000),
        ("Sat, 21 Nov 26 21:26:00 PST", 1795325160000),
        ("Sun Nov 22 05:26:00 2026", 1795325160000),
        ("never", None),
        ("Thu, 99 Foo 99999 99:99:99 +9999", None),
    ],
)
def test_dates_become_milliseconds(value, milliseconds):
    assert parse(f"Date: {value}\r\n\r\n".encode()).summary.date == milliseconds


def test_of_many_references_the_first_and_the_last_99_are_kept():
    raw = b"References: " + b"\r\n ".join(b"<r%d@x>" % n for n in range(500)) + b"\r\n\r\n"
    references = parse(raw).summary.references
    assert (len(references), references[0], references[1], references[-1]) == (100, "r0@x", "r401@x", "r499@x")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"\x00",
        b"just words, no header",
        b"Subject: only a header",
        b"Subject: a\rFrom: b\r\rbody",
        b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\ntext\r\n--x--",
        b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\r\ntext\r\n----",
        b'Content-Type: multipart/mixed; boundary="x\r\n\r\n--x\r\n--x\r\n--x--',
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x--\r\n",
        b"Content-Type: text/plain; charset=zlib\r\n\r\nhello",
        b'Content-Type: text/plain; charset="\r\n\r\nhello',
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!not base64=",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=\r\n=",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n\xff\xff\r\nend\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" * 300,
        b"Content-Disposition: attachment; filename*0*=utf-8''%; filename*999*=x; filename**=y\r\n\r\nx",
    ],
)
def test_broken_mail_is_parsed_all_the_same(raw):
    parsed = parse(raw)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(parsed), type=ParsedMessage) == parsed
    msgspec.json.encode(parsed)


def test_a_body_without_a_header_is_text():
    parsed = parse(b"just words\r\nSubject: not a header\r\n")
    assert (parsed.header_bytes, parsed.text.split("\n")[0]) == (0, "just words")


def test_wrong_base64_gives_what_can_be_had():
    parsed = parse(b"Content-Transfer-Encoding: base64\r\n\r\naGVs*bG8")
    assert parsed.text == "hello"


def test_text_declared_utf8_that_is_windows_1252_is_shown_right():
    raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "déjà vu".encode("cp1252")
    assert parse(raw).text == "déjà vu"


def test_flowed_text_is_joined():
    raw = lines("Content-Type: text/plain; format=flowed", "", "one ", "two", "> quoted ", "> on", "-- ", "sig")
    assert parse(raw).text.splitlines() == ["one two", "> quoted on", "-- ", "sig"]


def test_no_name_of_a_file_leads_out_of_a_folder():
    raw = b'Content-Disposition: attachment; filename="../../etc/pass\x01wd"\r\nContent-Type: x/y\r\n\r\nx'
    (attachment,) = parse(raw).attachments
    assert "/" not in attachment.filename
    assert "\x01" not in attachment.filename


def nested(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return head + b"\r\ndeep text\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))


def test_a_thousand_nested_parts_stop_at_a_hundred():
    parsed = parse(nested(1_000))
    assert len(walk(parsed.structure)) <= 102


def test_ten_thousand_parts_stop_at_a_thousand():
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n"
    assert len(walk(parse(raw).structure)) <= MAX_PARTS + 1


HOSTILE = {
    "a 1 MB encoded subject": b"Subject: " + b"=?utf-8?q?=41=42=43?= " * 48_000 + b"\r\n\r\nx",
    "a 1 MB word": b"Subject: =?utf-8?b?" + b"QUFB" * 262_144 + b"?=\r\n\r\nx",
    "begun words": b"Subject: " + b"=?a?q?" * 200_000 + b"\r\n\r\nx",
    "a megabyte of addresses": b"To: " + b"a@b.test, " * 100_000 + b"\r\n\r\nx",
    "open brackets": b"To: " + b'(<"' * 300_000 + b"\r\n\r\nx",
    "parameters": b"Content-Type: text/plain; " + b"a*0*=x; " * 100_000 + b"\r\n\r\nx",
    "fields": b"A: b\r\n" * 200_000 + b"\r\nx",
    "folds": b"Subject: a" + b"\r\n a" * 300_000 + b"\r\n\r\nx",
    "near boundaries": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\r\n" * 500_000,
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<" * 3_000_000,
    "comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 500_000,
    "divs": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 400_000,
    "entities": b"Content-Type: text/html\r\n\r\n" + b"&#x1f600;" * 200_000,
    "quotes": b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> x \r\n" * 300_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 60_000,
    "nested multiparts": nested(1_000) + b"x\r\n" * 500_000,
    "dates": b"Date: " + b"1 " * 500_000 + b"\r\n\r\nx",
    "reply marks": b"Subject: " + b"Re: [a] " * 100_000 + b"\r\n\r\nx",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_megabytes_are_parsed_in_bounded_time(name):
    started = time.process_time()
    parse(HOSTILE[name])
    assert time.process_time() - started < 2.5


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_parsed(data):
    msgspec.json.encode(parse(data))


WORDS = [
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n",
    b"Content-Type: text/plain; charset=utf-16; format=flowed\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename*0*=iso-2022-jp'en'%1b$B; filename*1=x\r\n",
    b"From: =?utf-7?q?+2AA-?= <a@b>, (c) x@y\r\n",
    b"Date: 1 Jan 0000 00:00:00 -9999\r\n",
    b"References: <a@b> <c\r\n d>\r\n",
    b"Subject: [Fwd: Re: x (fwd)]\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00\xff",
    b"--b\r\n",
    b"--b--\r\n",
    b'<a href="x>&#55296;&#x110000;<!--',
    b"+2AA-=C3=A9",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=25).map(b"".join))
def test_any_pieces_of_mail_are_parsed(data):
    parsed = parse(memoryview(data))
    msgspec.json.encode(parsed)
    assert "\x00" not in parsed.text
    for part in walk(parsed.structure):
        assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(data)


def test_large_base64_is_hashed_as_decoded():
    content = bytes(range(256)) * 4_000
    raw = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(content)
    (attachment,) = parse(raw).attachments
    assert attachment.sha256 == sha256(content).hexdigest()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MIXED) - 1), st.integers(0, 20), st.binary(max_size=4)), max_size=6))
def test_any_mutation_of_a_good_mail_is_parsed(edits):
    data = MIXED
    for at, removed, put in edits:
        data = data[:at] + put + data[at + removed :]
    msgspec.json.encode(parse(data))
