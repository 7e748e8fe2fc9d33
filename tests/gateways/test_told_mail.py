"""A mail is what its log tells of, or nobody is shown it."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from domain.events import MessageServer
from gateways.mail_objects import MailAlteredError
from gateways.told_mail import ToldMail, read_told_mail, told_mail
from infra.file_blobs import FileBlobs
from tests.post_office import envelope_of

NAME = "emails/2026/11/22/a1.eml"
RAW = b"Subject: plain\r\n\r\nshort\r\n"
DIGEST = hashlib.sha256(RAW).hexdigest()
TRACE = "Received: by mx.example.test\r\n"
SIZE = len(TRACE) + len(RAW)


def server(*, arrived: bytes | None = RAW, digest: str = DIGEST, trace: str = TRACE) -> MessageServer:
    envelope = b"null" if arrived is None else msgspec.json.encode(envelope_of(arrived, "ann@x.test", received_at=0))
    return MessageServer(blob=NAME, content_sha256=digest, trace=trace, envelope=msgspec.Raw(envelope))


def test_of_what_arrived_size_and_digest_are_told() -> None:
    assert told_mail(SIZE, server()) == ToldMail(len(RAW), DIGEST)


def test_of_a_mail_from_which_something_was_cut_the_size_alone_is_told() -> None:
    assert told_mail(SIZE, server(arrived=RAW + b"forged")) == ToldMail(len(RAW), None)


def test_of_what_was_imported_the_digest_is_told_and_of_an_older_draft_the_size() -> None:
    assert told_mail(SIZE, server(arrived=None)) == ToldMail(None, DIGEST)
    assert told_mail(len(RAW), server(arrived=None, digest="", trace="")) == ToldMail(len(RAW), None)


def test_nothing_is_told_where_what_the_server_noted_is_gone() -> None:
    assert told_mail(SIZE, None) == ToldMail()


@pytest.mark.parametrize("told", [ToldMail(len(RAW), DIGEST), ToldMail(len(RAW)), ToldMail(None, DIGEST), ToldMail()])
def test_what_is_as_told_is_read_byte_for_byte(tmp_path: Path, told: ToldMail) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(NAME, RAW)
    assert read_told_mail(blobs, NAME, told) == RAW


@pytest.mark.parametrize(
    ("told", "altered"),
    [
        (ToldMail(len(RAW)), RAW[:-1]),
        (ToldMail(len(RAW), DIGEST), RAW.swapcase()),
        (ToldMail(None, DIGEST), RAW + b"x"),
    ],
)
def test_what_is_not_as_told_is_named_and_not_given(tmp_path: Path, told: ToldMail, altered: bytes) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(NAME, altered)
    with pytest.raises(MailAlteredError, match=NAME):
        read_told_mail(blobs, NAME, told)
