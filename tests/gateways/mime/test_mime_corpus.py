"""Real and nasty mail of other projects: all of it is parsed, split and joined; trees are compared with mime4j's."""

import time
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from gateways.mime.holes import join, pack, split, unpack
from gateways.mime.parse import parse
from gateways.mime.reading import part_bytes
from gateways.mime.show import body, headers
from gateways.mime.structure import Part, walk

pytestmark = pytest.mark.corpus

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"
MIME4J = CORPUS / "mime" / "james-mime4j"
MAIL = CORPUS / "mime"


@cache
def files(folder: str) -> tuple[Path, ...]:
    return tuple(sorted(path for path in (CORPUS / folder).rglob("*") if path.is_file()))


@pytest.mark.parametrize(
    ("folder", "at_least"), [("mime", 900), ("spamassassin", 3_000), ("threads", 300), ("dsn", 400)]
)
def test_every_file_is_parsed_and_encodable(folder, at_least):
    spent, size = 0.0, 0
    for path in files(folder):
        raw = path.read_bytes()
        started = time.process_time()
        parsed = parse(raw)
        spent += time.process_time() - started
        size += len(raw)
        msgspec.json.encode(parsed)
        for part in walk(parsed.structure):
            assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(raw), path
    print(f"{folder}: {len(files(folder))} files, {size / 1e6:.1f} MB parsed in {spent:.2f} s of CPU")
    assert len(files(folder)) >= at_least


@pytest.mark.parametrize("folder", ["mime", "spamassassin", "threads", "dsn"])
def test_every_file_is_split_and_joined_byte_for_byte(folder):
    split_out = 0
    for path in files(folder):
        raw = path.read_bytes()
        done = split(raw, parse(raw))
        unpacked = unpack(pack(done))
        assert join(unpacked.skeleton, unpacked.holes, done.parts.__getitem__) == raw, path
        split_out += len(done.holes)
    print(f"{folder}: {split_out} attachments split out")


@pytest.mark.parametrize("folder", ["mime", "threads", "dsn"])
def test_every_file_is_shown(folder):
    for path in files(folder):
        raw = path.read_bytes()
        shown = body(raw, parse(raw), cid_url=lambda attachment: f"/parts/{attachment.id}")
        assert shown.html is None or "<script" not in shown.html.lower(), path
        headers(raw)


# What mime4j sees otherwise: it opens messages in base64, which have no byte offsets, and empty multiparts.
READ_OTHERWISE = {
    "badbound.msg",
    "multi-2gifs-base64.msg",
    "bad-newlines-multiple-parts-base64.msg",
    "base64encoded-rfc822message-nested.msg",
    "base64encoded-rfc822message.msg",
    "missing-boundary.msg",
    "missing-inner-boundary.msg",
    "missing-inner-start-boundary.msg",
    "multipartnopart.msg",
}


def expected_shape(element: ElementTree.Element) -> object:
    multipart, message = element.find("multipart"), element.find("message")
    if multipart is not None:
        return [expected_shape(part) for part in multipart.findall("body-part")]
    return ("message", expected_shape(message)) if message is not None else "leaf"


def shape(part: Part) -> object:
    if part.content_type.startswith("multipart/") and part.parts:
        return [shape(child) for child in part.parts]
    return ("message", shape(part.parts[0])) if part.parts else "leaf"


def test_trees_are_those_of_mime4j():
    expected, got = {}, {}
    for path in sorted(MIME4J.rglob("*.msg")):
        if path.name not in READ_OTHERWISE:
            expected[path.name] = expected_shape(
                ElementTree.parse(path.with_name(f"{path.stem}_decoded.xml")).getroot()
            )
            got[path.name] = shape(parse(path.read_bytes()).structure)
    assert len(got) > 60
    assert got == expected


def mime4j_bodies(path: Path) -> list[tuple[Path, bytes]]:
    """Each decoded body that mime4j wrote down and ours of the same place; only of messages without messages inside."""
    raw = path.read_bytes()
    root = parse(raw).structure
    found = []

    def visit(part: Part, number: str) -> None:
        for position, child in enumerate(part.parts, 1):
            visit(child, f"{number}_{position}")
        if not part.parts:
            for extension in ("txt", "bin"):
                file = path.with_name(f"{path.stem}_decoded_{number}.{extension}")
                if file.exists():
                    found.append((file, part_bytes(raw, part)))

    if all(not part.content_type.startswith("message/") for part in walk(root)):
        visit(root, "1")
    return found


def without_line_ends(data: bytes) -> bytes:
    return data.replace(b"\r", b"").replace(b"\n", b"").strip()


def test_binary_parts_are_decoded_as_mime4j_decodes_them():
    bodies = [
        pair
        for path in sorted(MIME4J.rglob("*.msg"))
        if path.name not in READ_OTHERWISE
        for pair in mime4j_bodies(path)
    ]
    binary = [(file.name, file.read_bytes(), ours) for file, ours in bodies if file.suffix == ".bin"]
    assert len(binary) > 10
    assert [name for name, theirs, ours in binary if without_line_ends(theirs) != without_line_ends(ours)] == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("ruby-mail/emails/attachment_emails/attachment_nonascii_filename.eml", ["ciële.txt"]),
        ("ruby-mail/emails/attachment_emails/attachment_with_base64_encoded_name.eml", ["This is a test.pdf"]),
        ("ruby-mail/emails/attachment_emails/attachment_with_quoted_filename.eml", ["Eelanalüüsi päring.jpg"]),
        ("ruby-mail/emails/attachment_emails/attachment_with_unquoted_name.eml", ["This is a test.txt"]),
        ("ruby-mail/emails/attachment_emails/attachment_content_disposition.eml", ["api.rb"]),
        ("ruby-mail/emails/attachment_emails/attachment_message_rfc822.eml", ["ForwardedMessage.eml"]),
        ("ruby-mail/emails/attachment_emails/attachment_pdf.eml", ["broken.pdf"]),
        ("enmime/testdata/mail/mime-bad-8bit-filename.raw", ["管理.doc"]),
        ("enmime/testdata/mail/attachment-only.raw", ["favicon.jpg"]),
        ("enmime/testdata/mail/attachment.raw", ["test.html"]),
        ("enmime/testdata/mail/attachment-application.raw", ["some.doc"]),
    ],
)
def test_files_have_the_names_that_their_senders_gave_them(path, names):
    assert [attachment.filename for attachment in parse((MAIL / path).read_bytes()).attachments] == names


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("enmime/testdata/mail/qp-ascii-header.raw", "Test QP Subject!"),
        ("enmime/testdata/mail/qp-utf8-header.raw", "MIME UTF8 Test ¢ More Text"),
        ("enmime/testdata/mail/qp-utf8-header-no-break.raw", "MIME UTF8 Test ¢ More Text"),
        ("enmime/testdata/low-quality/bad-header-start.raw", "plain text"),
        ("ruby-mail/emails/attachment_emails/attachment_pdf.eml", "Another PDF with 🎉 Unicode chars in it 🍿"),
        (
            "ruby-mail/emails/error_emails/invalid_subject_characters.eml",
            "Formação FrenetikPolis: Mega Campanha Final Verão | Cursos de Setembro",
        ),
        ("james-mime4j/mimetools-testmsgs/intl.msg", "If you can read this you understand the example... so, cool!"),
    ],
)
def test_subjects_are_those_that_their_senders_meant(path, subject):
    assert parse((MAIL / path).read_bytes()).summary.subject == subject


@pytest.mark.parametrize(
    ("path", "recipients"),
    [
        ("ruby-mail/emails/rfc6532/utf8_headers.eml", ["märy@exämple.net"]),
        ("ruby-mail/emails/rfc2822/example10.eml", ["c@public.example", "joe@example.org", "jdoe@one.test"]),
        ("enmime/testdata/mail/qp-utf8-header.raw", ["marczak@inbucket.com"]),
    ],
)
def test_recipients_are_those_that_their_senders_meant(path, recipients):
    found = [address.address for address in parse((MAIL / path).read_bytes()).summary.to]
    assert [address for address in found if address][: len(recipients)] == recipients
