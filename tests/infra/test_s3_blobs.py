"""The S3 bucket as blob store: the contract on a real server, and what only S3 can do to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.blobs import Blobs
from infra.s3_blobs import S3Blobs
from infra.s3_bucket import Bucket, S3DamagedError
from infra.s3_client import S3Server, S3UnavailableError
from tests.contracts.blobs import NAME, BlobsContract
from tests.servers import fresh_bucket, s3_server

pytestmark = pytest.mark.servers
PART_BYTES = 5 * 2**20
LARGE = bytes(range(256)) * (12 * 2**12)  # 12 MiB: three parts, the last one smaller


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with fresh_bucket() as bucket:
        yield bucket


@pytest.fixture
def blobs(bucket: Bucket, tmp_path: Path) -> S3Blobs:
    return S3Blobs(bucket, tmp_path / "spool", part_bytes=PART_BYTES)


class TestS3Blobs(BlobsContract):
    """The contract of tests/contracts/blobs.py."""


def unfinished(bucket: Bucket) -> list[str]:
    return [upload["Key"] for upload in bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])]


@pytest.mark.parametrize("way", ["put", "commit"])
def test_what_is_larger_than_a_part_comes_back_byte_for_byte(blobs: S3Blobs, bucket: Bucket, way: str) -> None:
    if way == "put":
        blobs.put(NAME, LARGE)
    else:
        with blobs.spool() as spool:
            for start in range(0, len(LARGE), 300_000):
                spool.write(LARGE[start : start + 300_000])
            blobs.commit(spool, NAME)
    assert blobs.read(NAME) == b"".join(blobs.open(NAME)) == LARGE
    assert blobs.read(NAME, start=PART_BYTES - 2, length=4) == LARGE[PART_BYTES - 2 : PART_BYTES + 2]
    assert blobs.size(NAME) == len(LARGE)
    assert unfinished(bucket) == []


def test_nothing_stays_of_an_upload_in_parts_that_failed(
    blobs: S3Blobs, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(NAME, b"old")
    with blobs.spool() as spool:
        spool.write(LARGE)
        with monkeypatch.context() as patch:
            patch.setattr("infra.s3_blobs.sha256_base64", lambda _digest: "A" * 43 + "=")
            with pytest.raises(S3UnavailableError):
                blobs.commit(spool, NAME)
        assert unfinished(bucket) == []
        assert blobs.read(NAME) == b"old"
        blobs.commit(spool, NAME)
    assert blobs.read(NAME) == LARGE


@pytest.mark.parametrize("size", [20_000, len(LARGE)])
def test_an_object_that_is_not_what_was_put_is_damaged_and_no_outage(blobs: S3Blobs, bucket: Bucket, size: int) -> None:
    blobs.put(NAME, LARGE[:size])
    metadata = bucket.client.head_object(Bucket=bucket.name, Key=NAME)["Metadata"]
    bucket.client.put_object(Bucket=bucket.name, Key=NAME, Body=b"x" + LARGE[1:size], Metadata=metadata)
    with pytest.raises(S3DamagedError, match=NAME):
        blobs.read(NAME)
    with pytest.raises(S3DamagedError, match=NAME):
        list(blobs.open(NAME))
    blobs.put(NAME, LARGE[:size])
    assert blobs.read(NAME) == b"".join(blobs.open(NAME)) == LARGE[:size]


def test_an_object_that_another_program_put_without_its_digest_is_read(blobs: S3Blobs, bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=NAME, Body=b"theirs")
    assert blobs.read(NAME) == b"".join(blobs.open(NAME)) == b"theirs"


@pytest.mark.parametrize("size", [3, PART_BYTES + 1])
def test_an_object_bears_the_checksum_that_the_server_verified(blobs: S3Blobs, bucket: Bucket, size: int) -> None:
    blobs.put(NAME, LARGE[:size])
    assert "ChecksumSHA256" in bucket.client.head_object(Bucket=bucket.name, Key=NAME, ChecksumMode="ENABLED")


def test_parts_that_a_killed_writer_left_are_forgotten_once_they_are_old(blobs: S3Blobs, bucket: Bucket) -> None:
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key=NAME)
    assert blobs.forget_unfinished() == 0
    assert unfinished(bucket) == [NAME]
    assert blobs.forget_unfinished(age_s=-60) == 1
    assert unfinished(bucket) == []


def test_an_object_that_another_program_put_under_no_valid_name_is_not_listed(blobs: S3Blobs, bucket: Bucket) -> None:
    bucket.put("plain", b"x")
    bucket.put("emails/.hidden", b"x")
    blobs.put(NAME, b"x")
    assert list(blobs.names("")) == [NAME]


def test_a_bucket_that_has_gone_is_an_outage_and_never_a_missing_object(tmp_path: Path) -> None:
    blobs = S3Blobs(Bucket(s3_server(), "test-was-never-made"), tmp_path / "spool")
    for call in (blobs.read, blobs.open, blobs.size, blobs.exists, blobs.delete):
        with pytest.raises(S3UnavailableError):
            call(NAME)
    for attempt in (lambda: blobs.put(NAME, b"x"), blobs.check, lambda: list(blobs.names(""))):
        with pytest.raises(S3UnavailableError):
            attempt()


def test_a_wrong_secret_is_an_outage(bucket: Bucket, tmp_path: Path) -> None:
    right = s3_server()
    wrong = S3Server(endpoint=right.endpoint, region=right.region, access_key=right.access_key, secret_key="wrong")
    blobs: Blobs = S3Blobs(Bucket(wrong, bucket.name), tmp_path / "spool")
    with pytest.raises(S3UnavailableError):
        blobs.put(NAME, b"x")
    with pytest.raises(S3UnavailableError):
        blobs.exists(NAME)


def test_no_secret_shows_when_a_server_is_printed() -> None:
    server = s3_server()
    assert server.secret_key is not None
    assert server.secret_key not in repr(server)
