"""The names of objects, which backups and other adapters rely on."""

import pytest

from gateways.blobs import (
    BlobNameInvalidError,
    attachment_blob_name,
    checked_name,
    mail_blob_name,
    upload_blob_name,
)

MOMENT = 1_795_305_599_999  # 2026-11-21T23:59:59.999Z


def test_a_mail_is_named_by_the_utc_day_it_came_in() -> None:
    assert mail_blob_name("a0123", MOMENT) == "emails/2026/11/21/a0123.eml"
    assert mail_blob_name("a0123", MOMENT + 1) == "emails/2026/11/22/a0123.eml"
    assert mail_blob_name("a0123", 0) == "emails/1970/01/01/a0123.eml"


def test_an_attachment_is_named_by_its_digest_and_an_upload_by_its_id() -> None:
    assert attachment_blob_name("0f" * 32) == "attachments/" + "0f" * 32
    assert upload_blob_name("u-1_x") == "uploads/u-1_x"


@pytest.mark.parametrize("text", ["", "A1", "1a", "../x", "a/b", "a.b", "a\n", "a" * 65, "aé"])
def test_what_is_no_id_names_nothing(text: str) -> None:
    with pytest.raises(BlobNameInvalidError):
        mail_blob_name(text, MOMENT)
    with pytest.raises(BlobNameInvalidError):
        upload_blob_name(text)


@pytest.mark.parametrize("text", ["", "0f" * 31, "0F" * 32, "0f" * 32 + "\n", "../" + "0" * 61, "٠" * 64])
def test_what_is_no_digest_names_no_attachment(text: str) -> None:
    with pytest.raises(BlobNameInvalidError):
        attachment_blob_name(text)


def test_every_name_made_here_is_one_that_stores_take() -> None:
    for name in (mail_blob_name("a" * 64, MOMENT), attachment_blob_name("0" * 64), upload_blob_name("u" * 64)):
        assert checked_name(name) == name
