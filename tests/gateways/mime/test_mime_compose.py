"""Messages that we write: correct by the RFCs, read back as they were meant, and impossible to inject into."""

import email
import email.policy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.mime.compose import AttachedFile, Composition, CompositionError, compose, new_message_id, strip_bcc
from gateways.mime.parse import parse
from gateways.mime.show import attachment_bytes
from gateways.mime.structure import Address

ANN = Address("Ann", "ann@example.test")


def draft(**fields) -> Composition:
    return Composition(**{"from_": (ANN,), "message_id": "id@example.test", "date_ms": 1795325160000, **fields})


def test_what_is_composed_is_read_back_the_same():
    jane = Address("Doe, Jane", "jane@example.test")
    raw = compose(
        draft(
            to=(jane, Address("Jürgen Ünal", "j@example.test")),
            cc=(Address("", "c@example.test"),),
            subject="Grüße " * 60,
            text="Hello wörld\nsecond line",
            html="<p>Hello</p>",
            in_reply_to=("<a@x>",),
            references=("a@x", "b@x"),
        )
    )
    summary = parse(raw).summary
    assert summary.to == (jane, Address("Jürgen Ünal", "j@example.test"))
    assert summary.subject == ("Grüße " * 60).strip()
    assert (summary.message_id, summary.in_reply_to, summary.references) == (
        "id@example.test",
        ("a@x",),
        ("a@x", "b@x"),
    )
    assert summary.date == 1795325160000
    assert parse(raw).text.split() == ["Hello", "wörld", "second", "line"]


def test_lines_are_crlf_ascii_and_short():
    raw = compose(
        draft(subject="ü" * 500, text="é" * 5_000, to=tuple(Address("N" * 90, f"a{n}@x.test") for n in range(50)))
    )
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert max(map(len, raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 200


def test_another_parser_finds_no_fault():
    raw = compose(
        draft(
            subject="Café",
            text="tëxt",
            html="<img src='cid:p@x'>",
            attachments=(
                AttachedFile("p.png", "image/png", b"\x89PNG", inline=True, content_id="p@x"),
                AttachedFile("Ünïcode näme.pdf", "application/pdf", b"x" * 1_000),
            ),
        )
    )
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    assert all(not part.defects for part in message.walk())
    assert message["subject"] == "Café"
    assert [part.get_filename() for part in message.iter_attachments()][-1] == "Ünïcode näme.pdf"


def test_files_come_back_byte_for_byte(tmp_path: Path):
    content = bytes(range(256)) * 300
    (tmp_path / "f").write_bytes(content)
    name = 'a "quoted" näme ' + "x" * 100 + ".bin"
    raw = compose(draft(text="", attachments=(AttachedFile(name, "application/x-thing", tmp_path / "f"),)))
    parsed = parse(raw)
    assert attachment_bytes(raw, parsed, parsed.attachments[0].id)[1] == content
    assert parsed.attachments[0].filename == name


def test_an_attached_message_stays_a_message():
    inner = compose(draft(subject="inner", text="hi"))
    parsed = parse(compose(draft(text="see", attachments=(AttachedFile("m.eml", "message/rfc822", inner),))))
    assert [(a.content_type, a.size) for a in parsed.attachments] == [("message/rfc822", len(inner))]


def test_blind_copies_are_named_only_in_the_authors_own_copy():
    message = draft(to=(ANN,), bcc=(Address("", "secret@example.test"),))
    assert b"secret" not in compose(message)
    assert b"Bcc: secret@example.test\r\n" in compose(message, keep_bcc=True)


@pytest.mark.parametrize("sign", ["\r", "\n", "\r\n", "\x00"])
@pytest.mark.parametrize(
    "fields",
    [
        lambda evil: {"subject": evil},
        lambda evil: {"to": (Address(evil, "a@x.test"),)},
        lambda evil: {"to": (Address("", f"a@x.test{evil}"),)},
        lambda evil: {"message_id": evil},
        lambda evil: {"references": (evil,)},
        lambda evil: {"headers": (("X-Thing", evil),)},
        lambda evil: {"headers": ((f"X{evil}", "v"),)},
        lambda evil: {"attachments": (AttachedFile(evil, "a/b", b""),)},
        lambda evil: {"attachments": (AttachedFile("n", f"a/b{evil}", b""),)},
        lambda evil: {"attachments": (AttachedFile("n", "a/b", b"", content_id=evil),)},
    ],
)
def test_no_field_can_begin_another(fields, sign):
    with pytest.raises(CompositionError):
        compose(draft(**fields(f"x{sign}Bcc: thief@example.test")))


@pytest.mark.parametrize("address", ["", "no-at", "a b@x.test", "<a@x.test>", "a@x.test, b@x.test", "a@"])
def test_a_malformed_address_is_refused(address):
    with pytest.raises(CompositionError):
        compose(draft(to=(Address("", address),)))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=500))
def test_any_text_is_refused_or_read_back(subject, name, text):
    try:
        raw = compose(draft(subject=subject, to=(Address(name, "a@x.test"),), text=text))
    except CompositionError:
        return
    parsed = parse(raw)
    assert parsed.summary.to[0].address == "a@x.test"
    assert len(parsed.summary.to) == 1
    assert parsed.structure.content_type == "text/plain"
    assert email.message_from_bytes(raw).keys()[:3] == ["Date", "From", "To"]


def test_blind_copies_are_stripped_and_nothing_else():
    raw = b"To: a@x\r\nBCC: b@x,\r\n c@x\r\nX:  odd \r\nResent-Bcc : d@x\r\nBcc-Not: e\r\n\r\nBcc: body\r\n"
    assert strip_bcc(raw) == b"To: a@x\r\nX:  odd \r\nBcc-Not: e\r\n\r\nBcc: body\r\n"
    assert strip_bcc(b"no header at all\r\nBcc: x\r\n") == b"no header at all\r\nBcc: x\r\n"


def test_message_ids_are_never_given_twice():
    assert new_message_id("example.test").endswith("@example.test")
    assert len({new_message_id("x") for _ in range(100)}) == 100
