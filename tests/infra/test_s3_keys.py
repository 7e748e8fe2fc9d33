"""The S3 bucket as key store: the contract on a real server, its master key, a crash, what a bucket must be."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.keys import KeyBrokenError, KeyDestroyedError, MasterKeyError
from infra.s3_bucket import Bucket
from infra.s3_client import S3UnavailableError
from infra.s3_keys import KNOWN_S, S3Keys
from tests.contracts.keys import KeysContract, OpenKeys
from tests.servers import fresh_bucket, s3_server

pytestmark = pytest.mark.servers
BRIEFLY_S = 0.02


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with fresh_bucket() as bucket:
        yield bucket


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return tmp_path / "closed" / "master.key"


@pytest.fixture
def open_keys(bucket: Bucket, master: Path) -> OpenKeys:
    return lambda: S3Keys(bucket, master, known_s=BRIEFLY_S)


class TestS3Keys(KeysContract):
    """The contract of tests/contracts/keys.py."""


def test_the_first_start_makes_a_master_key_and_says_so_once(bucket: Bucket, master: Path) -> None:
    assert S3Keys(bucket, master).created_master_key
    assert not S3Keys(bucket, master).created_master_key
    assert master.stat().st_mode & 0o777 == 0o600


def test_neither_the_master_key_nor_a_secret_lies_in_the_bucket(bucket: Bucket, master: Path) -> None:
    key = S3Keys(bucket, master).create("b1")
    stored = [bucket.get(name) or b"" for name in bucket.names("")]
    assert len(stored) == 2
    assert not any(secret in one for one in stored for secret in (key.secret, master.read_bytes()))


def test_another_master_key_is_refused_at_the_start(bucket: Bucket, master: Path, tmp_path: Path) -> None:
    S3Keys(bucket, master)
    other = tmp_path / "other.key"
    other.write_bytes(os.urandom(32))
    other.chmod(0o600)
    with pytest.raises(MasterKeyError, match="not the master key"):
        S3Keys(bucket, other)


def test_a_missing_master_key_is_never_replaced_while_keys_need_it(bucket: Bucket, master: Path) -> None:
    S3Keys(bucket, master).create("b1")
    master.unlink()
    with pytest.raises(MasterKeyError, match="missing"):
        S3Keys(bucket, master)
    assert not master.exists()


def test_a_key_damaged_or_in_the_place_of_another_mailboxs_is_an_error_never_a_missing_key(
    bucket: Bucket, open_keys: OpenKeys
) -> None:
    keys = open_keys()
    keys.create("b1")
    keys.create("b2")
    first, second = bucket.names("keys/")
    for damage in (bucket.get(second) or b"", b"", b"nonsense"):
        bucket.put(first, damage)
        with pytest.raises(KeyBrokenError):
            [open_keys().get(mailbox_id) for mailbox_id in ("b1", "b2")]
    bucket.client.put_object(Bucket=bucket.name, Key=first, Body=b"x", Metadata={"sha256": "0" * 64})
    with pytest.raises(KeyBrokenError, match="damaged"):
        [open_keys().get(mailbox_id) for mailbox_id in ("b1", "b2")]


def test_a_key_is_read_once_and_then_remembered(bucket: Bucket, master: Path) -> None:
    keys = S3Keys(bucket, master, known_s=60)
    key = keys.create("b1")
    asked: list[str] = []
    bucket.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    assert {keys.get("b1") for _ in range(100)} == {key}
    assert asked == []


def test_a_destruction_is_not_over_before_every_process_must_look_again(bucket: Bucket, master: Path) -> None:
    here, there = S3Keys(bucket, master), S3Keys(bucket, master)
    here.create("b1")
    assert there.get("b1") is not None
    began = time.monotonic()
    here.destroy("b1")
    assert time.monotonic() - began >= KNOWN_S
    assert (here.get("b1"), there.get("b1")) == (None, None)


def test_a_key_loaded_while_another_was_destroyed_is_not_remembered(
    bucket: Bucket, open_keys: OpenKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = open_keys(), open_keys()
    here.create("b1")
    real, during = Bucket.size, []

    def size(self: Bucket, key: str) -> int | None:
        found = real(self, key)
        if key == "tombstones/b1" and not during:
            during.append(key)
            here.destroy("b1")  # after the look for its tombstone, before the key is remembered
        return found

    monkeypatch.setattr(Bucket, "size", size)
    there.get("b1")
    assert during == ["tombstones/b1"]
    assert there.get("b1") is None


@pytest.mark.parametrize("failing", ["put", "delete"])
def test_a_destruction_cut_off_at_any_step_is_finished_by_the_next_start(
    bucket: Bucket, open_keys: OpenKeys, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    keys = open_keys()
    keys.create("b1")

    def cut_off(*_arguments: object) -> None:
        raise S3UnavailableError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, failing, cut_off)
        with pytest.raises(S3UnavailableError):
            keys.destroy("b1")
    assert len(list(bucket.names("keys/"))) == 1
    again = open_keys()
    assert isinstance(again, S3Keys)
    assert again.tombstones() == ["b1"]
    assert list(bucket.names("keys/")) == []
    with pytest.raises(KeyDestroyedError):
        again.create("b1")


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_bucket_that_keeps_versions_or_did_is_refused_in_one_line(bucket: Bucket, master: Path, status: str) -> None:
    def answer(parsed: dict[str, str], **_: object) -> None:
        parsed["Status"] = status  # the server of the tests keeps none

    bucket.client.meta.events.register("after-call.s3.GetBucketVersioning", answer)
    with pytest.raises(MasterKeyError, match=r"^[^\n]*keeps old versions[^\n]*$"):
        S3Keys(bucket, master)


def test_a_server_that_creates_what_is_there_is_refused_in_one_line(bucket: Bucket, master: Path) -> None:
    def forget_condition(params: dict[str, dict[str, str]], **_: object) -> None:
        params["headers"].pop("If-None-Match", None)

    bucket.client.meta.events.register("before-call.s3.PutObject", forget_condition)
    with pytest.raises(MasterKeyError, match=r"^[^\n]*If-None-Match[^\n]*$"):
        S3Keys(bucket, master)


def test_a_bucket_that_does_not_answer_is_an_outage_and_never_a_missing_key(master: Path, bucket: Bucket) -> None:
    keys = S3Keys(bucket, master, known_s=BRIEFLY_S)
    keys.create("b1")
    keys._bucket = Bucket(s3_server(), "test-was-never-made")
    for call in (keys.get, keys.create, keys.destroy):
        with pytest.raises(S3UnavailableError):
            call("b2")
    with pytest.raises(S3UnavailableError):
        keys.check()
