"""A mail stored whole, replaced by one with holes, and read back byte for byte."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateways.blobs import BlobMissingError, StorageFullError
from gateways.mail_objects import MailAlteredError, attachments_of, read_mail, replace_with_split
from gateways.mime.holes import Split, is_packed, pack
from gateways.mime.parse import parse
from infra.file_blobs import FileBlobs

NAME = "emails/2026/11/22/a1.eml"
CONTENT = bytes(range(256)) * 400
ATTACHMENT = f"attachments/{hashlib.sha256(CONTENT).hexdigest()}"
PLAIN = b"From: ann@example.test\r\nSubject: plain\r\n\r\nshort\r\n"


def with_attachments(*contents: bytes) -> bytes:
    head = b'From: ann@example.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    parts = [
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=f\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content).replace(b"\n", b"\r\n")
        for content in contents
    ]
    return head + b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n" + b"".join(parts) + b"--b--\r\n"


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


def replace(blobs: FileBlobs, raw: bytes) -> tuple[str, ...]:
    return replace_with_split(blobs, NAME, raw, parse(raw), touch=lambda sizes: None)


def test_a_mail_with_a_large_attachment_is_stored_with_a_hole_and_read_back_whole(blobs: FileBlobs) -> None:
    raw = with_attachments(CONTENT)
    blobs.put(NAME, raw)
    assert replace(blobs, raw) == attachments_of(blobs, NAME) == (ATTACHMENT,)
    assert blobs.size(NAME) < 2000
    assert blobs.read(ATTACHMENT) == CONTENT
    assert read_mail(blobs, NAME) == raw
    assert replace(blobs, raw) == (ATTACHMENT,)
    assert read_mail(blobs, NAME) == raw


def test_an_attachment_sent_twice_in_one_mail_is_stored_once(blobs: FileBlobs) -> None:
    raw = with_attachments(CONTENT, CONTENT, CONTENT + b"x")
    assert len(replace(blobs, raw)) == len(attachments_of(blobs, NAME)) == len(list(blobs.names("attachments/"))) == 2
    assert read_mail(blobs, NAME) == raw


def test_a_mail_without_large_attachments_is_stored_as_it_is(blobs: FileBlobs) -> None:
    for raw in (PLAIN, with_attachments(b"small"), b""):
        assert replace(blobs, raw) == attachments_of(blobs, NAME) == ()
        assert blobs.read(NAME) == read_mail(blobs, NAME) == raw


def test_a_mail_made_to_look_like_one_with_holes_is_given_nobody_elses_attachment(blobs: FileBlobs) -> None:
    replace(blobs, with_attachments(CONTENT))
    forged = blobs.read(NAME)
    assert is_packed(forged)
    assert replace(blobs, forged) == attachments_of(blobs, NAME) == ()
    assert read_mail(blobs, NAME) == forged


def test_attachments_are_touched_before_they_are_put(blobs: FileBlobs) -> None:
    seen: list[tuple[dict[str, int], list[str]]] = []

    def touch(sizes: Mapping[str, int]) -> None:
        seen.append((dict(sizes), list(blobs.names("attachments/"))))

    raw = with_attachments(CONTENT)
    replace_with_split(blobs, NAME, raw, parse(raw), touch=touch)
    replace_with_split(blobs, NAME, PLAIN, parse(PLAIN), touch=touch)
    assert seen == [({ATTACHMENT: len(CONTENT)}, [])]


def test_the_whole_is_not_dropped_when_the_disk_gives_back_something_else(tmp_path: Path) -> None:
    class BadDisk(FileBlobs):
        def read(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
            content = super().read(name, start=start, length=length)
            return content[::-1] if name.startswith("attachments/") else content

    raw = with_attachments(CONTENT)
    blobs = BadDisk(tmp_path)
    blobs.put(NAME, raw)
    with pytest.raises(MailAlteredError):
        replace(blobs, raw)
    assert read_mail(blobs, NAME) == raw


def test_a_damaged_attachment_in_the_store_is_mended_by_the_next_mail_that_brings_it(blobs: FileBlobs) -> None:
    blobs.put(ATTACHMENT, b"x" * len(CONTENT))
    raw = with_attachments(CONTENT)
    replace(blobs, raw)
    assert read_mail(blobs, NAME) == raw


def test_the_whole_stands_when_there_is_no_room_for_its_attachment(
    blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = with_attachments(CONTENT)
    blobs.put(NAME, raw)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(StorageFullError):
            replace(blobs, raw)
    assert read_mail(blobs, NAME) == raw


def test_what_is_missing_altered_or_damaged_is_told_apart(blobs: FileBlobs) -> None:
    replace(blobs, with_attachments(CONTENT))
    packed = blobs.read(NAME)
    blobs.put(ATTACHMENT, CONTENT[:-1] + b"x")
    with pytest.raises(MailAlteredError, match=NAME):
        read_mail(blobs, NAME)
    blobs.delete(ATTACHMENT)
    with pytest.raises(BlobMissingError):
        read_mail(blobs, NAME)
    blobs.put(NAME, packed[:30])
    for call in (read_mail, attachments_of):
        with pytest.raises(MailAlteredError, match=NAME):
            call(blobs, NAME)
    blobs.put(NAME, pack(Split(b"another skeleton", (), {}, "0" * 64, 16)))
    with pytest.raises(MailAlteredError, match="digest"):
        read_mail(blobs, NAME)
