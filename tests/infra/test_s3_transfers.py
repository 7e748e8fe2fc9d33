"""Attachments that travel between clients and a real S3: bound, verified once, never swapped, nobody else's."""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from domain.times import DAY_MS
from gateways.blobs import BlobArchivedError, BlobMissingError, attachment_blob_name, upload_blob_name
from gateways.http.problems import problem_of
from infra.blob_collector import collect
from infra.s3_bucket import Bucket
from infra.uploads import expire_uploads
from tests.conftest import temporary_data_folder
from tests.http_house import House, Person, mail, running
from tests.servers import fresh_bucket, setting
from tests.system.service import installation, until

pytestmark = pytest.mark.servers
CONTENT = b"%PDF" + bytes(range(256)) * 400
OTHER = b"%PDF" + bytes(range(255, -1, -1)) * 400
DIGEST, OTHER_DIGEST = (hashlib.sha256(content).hexdigest() for content in (CONTENT, OTHER))
NAMES = ("ENDPOINT", "REGION", "ACCESS_KEY", "SECRET_KEY")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with fresh_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def settings(bucket: Bucket) -> dict[str, str]:
    server = {f"LEDGERMAIL_S3_{name}": setting(f"S3_{name}") for name in NAMES}
    return server | {"LEDGERMAIL_BLOBS": "s3", "LEDGERMAIL_S3_BUCKET": bucket.name}


@pytest.fixture(scope="module")
def house(module_database_url: str, settings: dict[str, str]) -> Iterator[House]:
    with temporary_data_folder() as folder, running(module_database_url, folder, **settings) as found:
        yield found


@pytest.fixture
def ann(house: House) -> Person:
    return house.person("ann")


@pytest.fixture
def bob(house: House) -> Person:
    return house.person("bob")


def announced(person: Person, content: bytes = CONTENT, **fields: Any) -> dict[str, Any]:
    asked = {"filename": "plän.pdf", "content_type": "application/pdf", "size": len(content)} | fields
    found: dict[str, Any] = person.post("/v1/attachments", asked, status=201)
    return found


def sent(upload: dict[str, Any], content: bytes = CONTENT, **headers: str) -> int:
    """To the store, as a client does that knows nothing but the answer."""
    answer = httpx.put(upload["url"], content=content, headers=upload["headers"] | headers, trust_env=False)
    return answer.status_code


def completed(person: Person, content: bytes = CONTENT, **fields: Any) -> dict[str, Any]:
    upload = announced(person, content, **fields)
    assert sent(upload["upload"], content) == 200
    assert person.post(f"/v1/attachments/{upload['id']}/complete") == {"scan": "unscreened"}
    return upload


def attached(person: Person, upload: dict[str, Any]) -> dict[str, Any]:
    """The attachment of a draft that has this file alone."""
    draft = person.post("/v1/drafts", {"subject": "With a file", "attachment_ids": [upload["id"]]}, status=201)
    (shown,) = person.get(f"/v1/drafts/{draft['id']}")["attachments"]
    found: dict[str, Any] = shown
    return found


@pytest.mark.parametrize("fields", [{"sha256": DIGEST}, {}])
def test_a_file_goes_straight_to_the_store_and_comes_straight_from_it(
    house: House, ann: Person, bucket: Bucket, fields: dict[str, str]
) -> None:
    upload = announced(ann, **fields)
    completing = f"/v1/attachments/{upload['id']}/complete"
    assert ann.refused("POST", completing) == (409, "upload_incomplete")
    assert upload["upload"]["method"] == "PUT"
    assert urlsplit(upload["upload"]["url"]).netloc == urlsplit(setting("S3_ENDPOINT")).netloc
    assert sent(upload["upload"]) == 200
    assert ann.refused("POST", "/v1/drafts", json={"attachment_ids": [upload["id"]]}) == (409, "upload_incomplete")
    for _repeat in range(2):
        assert ann.post(completing) == {"scan": "unscreened"}
    assert bucket.size(upload_blob_name(upload["id"])) is None
    assert bucket.get(attachment_blob_name(DIGEST)) == CONTENT
    shown = attached(ann, upload)
    redirect = house.http.get(shown["url"])
    assert (redirect.status_code, redirect.headers["cache-control"]) == (302, "no-store")
    answer = httpx.get(redirect.headers["location"], trust_env=False)
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "attachment; filename=\"pl_n.pdf\"; filename*=UTF-8''pl%C3%A4n.pdf"


@pytest.mark.parametrize("fields", [{"sha256": DIGEST}, {}])
def test_another_length_or_type_is_refused_by_the_store(ann: Person, fields: dict[str, str]) -> None:
    upload = announced(ann, **fields)["upload"]
    assert sent(upload, CONTENT + b"x") == 403
    assert sent(upload, CONTENT[:-1]) == 403
    assert sent(upload, **{"Content-Type": "text/html"}) == 403
    assert sent(upload, **{"x-amz-meta-sha256": "0" * 64}) == 403


def test_other_bytes_than_those_of_the_digest_are_refused_by_the_store(ann: Person) -> None:
    upload = announced(ann, sha256=DIGEST)
    assert sent(upload["upload"], OTHER) == 400
    assert sent(upload["upload"], OTHER, **{"x-amz-checksum-sha256": "A" * 43 + "="}) == 403
    assert ann.refused("POST", f"/v1/attachments/{upload['id']}/complete") == (409, "upload_incomplete")


def test_what_another_program_put_there_is_no_upload(ann: Person, bucket: Bucket) -> None:
    upload = announced(ann, sha256=DIGEST)
    for content in (OTHER, CONTENT[:-1], CONTENT + b"x"):
        bucket.put(upload_blob_name(upload["id"]), content)
        assert ann.refused("POST", f"/v1/attachments/{upload['id']}/complete") == (422, "upload_altered")
    bucket.put(upload_blob_name(upload["id"]), CONTENT)
    ann.post(f"/v1/attachments/{upload['id']}/complete")


def test_what_was_verified_is_never_swapped(house: House, ann: Person, bucket: Bucket) -> None:
    upload = completed(ann)
    assert sent(upload["upload"], OTHER) == 200
    ann.post(f"/v1/attachments/{upload['id']}/complete")
    assert attached(ann, upload)["sha256"] == DIGEST
    assert not house.app.parts.uploads.arrived(upload["id"], OTHER_DIGEST)
    assert house.app.parts.uploads.arrived(upload["id"], DIGEST)
    assert attached(ann, upload)["sha256"] == DIGEST
    assert bucket.get(attachment_blob_name(DIGEST)) == CONTENT


@pytest.mark.parametrize("fields", [{"sha256": DIGEST}, {}])
def test_completing_many_times_at_once_completes_once(ann: Person, fields: dict[str, str]) -> None:
    upload = announced(ann, **fields)
    assert sent(upload["upload"]) == 200
    with ThreadPoolExecutor(8) as pool:
        completing = f"/v1/attachments/{upload['id']}/complete"
        answers = list(pool.map(lambda _: ann.http.post(completing).status_code, range(8)))
    assert answers == [200] * 8
    assert attached(ann, upload)["sha256"] == DIGEST


def test_nobody_reaches_anothers_file(house: House, ann: Person, bob: Person) -> None:
    mine = announced(ann, sha256=DIGEST)
    assert sent(mine["upload"]) == 200
    assert bob.refused("POST", f"/v1/attachments/{mine['id']}/complete") == (404, "attachment_unknown")
    ann.post(f"/v1/attachments/{mine['id']}/complete")
    assert announced(bob, sha256=DIGEST)["upload"] is not None
    shown = attached(ann, mine)
    assert bob.refused("GET", shown["url"].partition("?")[0])[0] == 404
    location = house.http.get(shown["url"]).headers["location"]
    for altered in (location.replace(DIGEST, OTHER_DIGEST), location.replace("pdf&", "html&")):
        assert altered != location
        assert httpx.get(altered, trust_env=False).status_code == 403
    assert httpx.put(location, content=b"x", trust_env=False).status_code == 403
    assert httpx.get(mine["upload"]["url"], trust_env=False).status_code == 403


def test_an_address_of_the_store_ends_when_it_says(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.s3_transfers.GOOD_FOR_S", 1)
    upload = announced(ann)["upload"]
    ends = datetime.fromisoformat(upload["expires_at"])
    assert ends <= datetime.now(UTC) + timedelta(seconds=2)
    until(lambda: sent(upload) == 403, within_s=10)
    assert datetime.now(UTC) >= ends - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("announced_as", "bound"),
    [
        ("text/plain; charset=utf-8", "text/plain"),
        ("Text/Calendar", "text/calendar"),
        ("text/plain\r\nX-Evil: 1", "application/octet-stream"),
        ("text/plainé", "application/octet-stream"),
    ],
)
def test_a_type_is_bound_without_what_no_header_field_could_bear(ann: Person, announced_as: str, bound: str) -> None:
    upload = completed(ann, content_type=announced_as)
    assert upload["upload"]["headers"] == {"Content-Type": bound}


def test_the_address_of_an_attachment_is_good_for_an_hour(house: House, ann: Person) -> None:
    location = house.http.get(attached(ann, completed(ann))["url"]).headers["location"]
    assert "X-Amz-Expires=3600&" in location


def test_a_large_file_without_a_digest_goes_on_in_parts(ann: Person, bucket: Bucket) -> None:
    content = bytes(range(256)) * (12 * 2**12)
    completed(ann, content)
    name = attachment_blob_name(hashlib.sha256(content).hexdigest())
    assert bucket.get(name) == content
    assert bucket.client.head_object(Bucket=bucket.name, Key=name)["ETag"].endswith('-2"')


def test_an_empty_file_can_be_sent(ann: Person) -> None:
    assert attached(ann, completed(ann, b""))["size"] == 0


def test_the_collector_leaves_what_was_sent_until_its_upload_expires(house: House, ann: Person, bucket: Bucket) -> None:
    upload = announced(ann)
    name = upload_blob_name(upload["id"])
    assert sent(upload["upload"]) == 200
    later = datetime.now(UTC) + timedelta(days=3)
    collect(house.parts.connect, house.parts.blobs, now=later)
    assert bucket.size(name) == len(CONTENT)
    now_ms = time.time_ns() // 1_000_000
    while expire_uploads(now_ms + 8 * DAY_MS, connect=house.parts.connect):
        pass
    collect(house.parts.connect, house.parts.blobs, now=later)
    assert bucket.size(name) is None


def with_file(content: str) -> bytes:
    """A mail with a text and a file."""
    parts = f"--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: application/x-y\n\n{content}\n--b--"
    return mail("Two parts", body=parts, Content_Type='multipart/mixed; boundary="b"', MIME_Version="1.0")


@pytest.mark.parametrize(("size", "hops"), [(100, []), (100_000, [302])])
def test_what_was_split_out_of_a_mail_comes_from_the_store_and_the_rest_through_the_service(
    house: House, ann: Person, size: int, hops: list[int]
) -> None:
    message_id = ann.bring(with_file("x" * size))
    (shown,) = ann.get(f"/v1/messages/{message_id}")["attachments"]
    for with_token in (False, True):
        url = shown["url"].partition("?")[0] if with_token else shown["url"]
        answer = (ann if with_token else house).http.get(url, follow_redirects=True)
        assert [one.status_code for one in answer.history] == hops
        assert hashlib.sha256(answer.content).hexdigest() == shown["sha256"]


def test_server_side_encryption_is_asked_for_and_bound(
    module_database_url: str, settings: dict[str, str], bucket: Bucket
) -> None:
    encrypting = settings | {"LEDGERMAIL_S3_ENCRYPTION": "AES256"}
    with temporary_data_folder() as folder, running(module_database_url, folder, **encrypting) as house:
        ann = house.person("ann")
        upload = announced(ann)["upload"]
        assert upload["headers"]["x-amz-server-side-encryption"] == "AES256"
        assert sent(upload) == 200
        assert sent(upload | {"headers": {"Content-Type": "application/pdf"}}) == 403
        completed(ann, sha256=DIGEST)


def test_where_s3_is_closed_to_clients_their_files_pass_through(
    module_database_url: str, settings: dict[str, str]
) -> None:
    closed = settings | {"LEDGERMAIL_S3_TRANSFERS": "through"}
    with temporary_data_folder() as folder, running(module_database_url, folder, **closed) as house:
        ann = house.person("ann")
        upload = announced(ann)
        assert upload["upload"]["url"].startswith("/v1/uploads/")
        assert house.http.put(upload["upload"]["url"], content=CONTENT).status_code == 200
        ann.post(f"/v1/attachments/{upload['id']}/complete")
        assert house.http.get(attached(ann, upload)["url"]).content == CONTENT


def test_clients_are_sent_to_the_public_address_of_s3(module_database_url: str, settings: dict[str, str]) -> None:
    public = settings | {"LEDGERMAIL_S3_PUBLIC_ENDPOINT": "https://files.example.test"}
    with temporary_data_folder() as folder, running(module_database_url, folder, **public) as house:
        upload = announced(house.person("ann"))["upload"]
        assert upload["url"].startswith(f"https://files.example.test/{settings['LEDGERMAIL_S3_BUCKET']}/uploads/")
        policy = house.http.get("/").headers["content-security-policy"]
        assert "connect-src 'self' https://files.example.test" in policy
        assert "img-src 'self' https://files.example.test data:" in policy


def test_no_object_of_an_upload_is_left_in_its_place(house: House, ann: Person, bucket: Bucket) -> None:
    upload = completed(ann, sha256=DIGEST)
    with pytest.raises(BlobMissingError):
        house.parts.blobs.read(upload_blob_name(upload["id"]))
    assert bucket.get(attachment_blob_name(DIGEST)) == CONTENT


def test_opening_what_is_archived_answers_202_restoring(house: House) -> None:
    problem = problem_of(BlobArchivedError("emails/secret"), house.app.parts)
    assert problem is not None
    assert (problem.status, problem.code) == (202, "restoring")
    assert dict(problem.headers())[b"retry-after"] == b"3600"
    assert b"secret" not in problem.document()


def test_migrate_says_clearly_that_this_server_knows_no_lifecycle_rules(
    database_url: str, settings: dict[str, str]
) -> None:
    mine = {"LEDGERMAIL_DATABASE_URL": database_url} | settings
    with installation(settings=mine) as service:
        said = service.run("migrate")
    assert said.returncode == 0
    assert "takes no lifecycle rules: An error occurred (NotImplemented)" in said.stderr
    assert "Traceback" not in said.stderr
