"""Attachments stored once for all, by their digests."""

import hashlib
from pathlib import Path

import pytest

from gateways.attachments import AttachmentAlteredError, blob_sizes, fetch, store
from gateways.blobs import BlobMissingError
from infra.file_blobs import FileBlobs

CONTENT = b"attachment" * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_part_is_stored_under_its_digest_and_given_back(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    store(blobs, {SHA256: CONTENT})
    assert fetch(blobs, SHA256) == CONTENT
    assert blob_sizes({SHA256: CONTENT}) == {f"attachments/{SHA256}": 100_000}
    assert dict.fromkeys(blobs.names("")) == {f"attachments/{SHA256}": None}


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    store(blobs, {SHA256: CONTENT})
    before = (tmp_path / "attachments" / SHA256).stat().st_ino
    store(blobs, {SHA256: CONTENT})
    assert (tmp_path / "attachments" / SHA256).stat().st_ino == before


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_what_is_there_damaged_is_written_again(tmp_path: Path, damaged: bytes) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(f"attachments/{SHA256}", damaged)
    store(blobs, {SHA256: CONTENT})
    assert fetch(blobs, SHA256) == CONTENT


def test_bytes_that_are_not_those_of_the_digest_are_refused_before_anything_is_put(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(AttachmentAlteredError):
        store(blobs, {SHA256: CONTENT, other: b"not the other"})
    assert list(blobs.names("")) == []


def test_a_missing_or_altered_attachment_is_told_apart(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    with pytest.raises(BlobMissingError):
        fetch(blobs, SHA256)
    blobs.put(f"attachments/{SHA256}", b"x" * len(CONTENT))
    with pytest.raises(AttachmentAlteredError):
        fetch(blobs, SHA256)
