"""What S3 says of archives and lifecycle rules, spoken by a server of a few lines: no free server has archives."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateways.blobs import BlobArchivedError
from infra.s3_blobs import S3Blobs
from infra.s3_bucket import Bucket
from infra.s3_client import S3Server, S3UnavailableError
from infra.s3_lifecycle import set_lifecycle
from infra.s3_transfers import S3Transfers
from tests.contracts.blobs import NAME

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
THEIRS = (
    "<Rule><ID>theirs</ID><Status>Enabled</Status><Prefix>a/</Prefix><Expiration><Days>9</Days></Expiration></Rule>"
)
OLD = THEIRS.replace("theirs", "ledgermail-mails")


def refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>so it is</Message></Error>"


class Speaker(ThreadingHTTPServer):
    """Answers `answers` (method and query → status and body) and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def bucket(self) -> Bucket:
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        return Bucket(S3Server(endpoint=endpoint, region="r", access_key="a", secret_key="s"), "mails")


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        name = f"{self.command} {self.path.partition('?')[2].split('&')[0].rstrip('=')}".strip()
        assert isinstance(self.server, Speaker)
        self.server.asked.append((name, body))
        status, answer = self.server.answers.get(name, (200, ""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    with Speaker() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("restoring", [(202, ""), (409, refusal("RestoreAlreadyInProgress"))])
def test_an_archived_object_is_asked_for_and_said_to_be_on_its_way(
    speaker: Speaker, tmp_path: Path, restoring: tuple[int, str]
) -> None:
    blobs = S3Blobs(speaker.bucket, tmp_path / "spool")
    speaker.answers = {"GET": (403, refusal("InvalidObjectState")), "POST restore": restoring}
    for read in (blobs.read, lambda name: blobs.read(name, start=1, length=2), blobs.open):
        speaker.asked.clear()
        with pytest.raises(BlobArchivedError):
            read(NAME)
        name, body = speaker.asked[-1]
        assert name == "POST restore"
        assert "<Days>7</Days>" in body


def test_an_archive_that_cannot_be_asked_is_an_outage(speaker: Speaker, tmp_path: Path) -> None:
    blobs = S3Blobs(speaker.bucket, tmp_path / "spool")
    speaker.answers = {"GET": (403, refusal("InvalidObjectState")), "POST restore": (403, refusal("AccessDenied"))}
    with pytest.raises(S3UnavailableError):
        blobs.read(NAME)


def test_our_lifecycle_rules_replace_ours_and_leave_the_operators(speaker: Speaker) -> None:
    found = f"<LifecycleConfiguration {XMLNS}>{THEIRS}{OLD}</LifecycleConfiguration>"
    speaker.answers = {"GET lifecycle": (200, found)}
    assert not set_lifecycle(speaker.bucket, infrequent_days=30, archive_days=365)
    name, body = speaker.asked[-1]
    assert (name, body.count("<ID>")) == ("PUT lifecycle", 3)
    assert "<ID>theirs</ID>" in body
    assert "<Filter><Prefix>emails/</Prefix></Filter>" in body
    for days, kind in ((30, "STANDARD_IA"), (365, "GLACIER")):
        assert f"<Transition><Days>{days}</Days><StorageClass>{kind}</StorageClass></Transition>" in body
    assert "<DaysAfterInitiation>2</DaysAfterInitiation>" in body


def test_no_mail_is_moved_where_the_days_are_zero(speaker: Speaker) -> None:
    speaker.answers = {"GET lifecycle": (404, refusal("NoSuchLifecycleConfiguration"))}
    assert not set_lifecycle(speaker.bucket, infrequent_days=0, archive_days=0)
    assert "emails/" not in speaker.asked[-1][1]
    assert not set_lifecycle(speaker.bucket, infrequent_days=0, archive_days=90)
    assert "STANDARD_IA" not in speaker.asked[-1][1]


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (403, "AccessDenied"), (400, "InvalidStorageClass")]
)
def test_a_server_that_does_not_take_the_rules_is_quoted(speaker: Speaker, status: int, code: str) -> None:
    for asked in ("GET lifecycle", "PUT lifecycle"):
        speaker.answers = {"GET lifecycle": (404, refusal("NoSuchLifecycleConfiguration"))}
        speaker.answers |= {asked: (status, refusal(code))}
        reason = set_lifecycle(speaker.bucket, infrequent_days=30, archive_days=365)
        assert reason is not None
        assert code in reason
        assert "\n" not in reason


def test_rules_that_could_not_be_set_in_an_outage_are_no_answer(speaker: Speaker) -> None:
    speaker.answers = {"GET lifecycle": (503, refusal("SlowDown"))}
    with pytest.raises(S3UnavailableError):
        set_lifecycle(speaker.bucket, infrequent_days=30, archive_days=365)


def test_addresses_of_aws_are_those_of_the_bucket_in_its_region(speaker: Speaker, tmp_path: Path) -> None:
    aws = S3Server(endpoint=None, region="eu-central-1", access_key="a", secret_key="s")
    blobs = S3Blobs(speaker.bucket, tmp_path / "spool")
    assert S3Transfers(speaker.bucket, blobs, aws).origin == "https://mails.s3.eu-central-1.amazonaws.com"
