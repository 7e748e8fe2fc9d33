"""Blobs and keys in S3, a whole installation: mail goes the whole way, and a server that is away is waited out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.accounts import AccountsUnavailableError
from gateways.mail_objects import read_mail
from gateways.reception import TemporarilyUnavailableError
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_parts import DeliveryParts
from infra.followers import Follower, fan_out, lags
from infra.operator_errors import OperatorError
from infra.s3_client import S3UnavailableError
from infra.s3_keys import S3Keys
from infra.settings import load
from tests.post_office import MAIL, envelope_of
from tests.servers import OwnServer, own_s3

pytestmark = pytest.mark.servers
ADDRESS = "ann@example.test"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[OwnServer]:
    with own_s3(tmp_path) as server:
        yield server


@pytest.fixture
def environment(s3: OwnServer, database_url: str, data_folder: Path) -> dict[str, str]:
    return {"LEDGERMAIL_DATABASE_URL": database_url, "LEDGERMAIL_DATA": str(data_folder), **s3.variables}


@pytest.fixture
def parts(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    monkeypatch.setattr("infra.s3_client.CONNECT_S", 1)
    with Parts(load(environment)) as made:
        made.check_blobs()
        made.ensure_operator()
        made.registration.register(ADDRESS, "a long enough pass phrase 71")
        yield made


def accept(post: DeliveryParts, number: int) -> bytes:
    raw = MAIL % b"%d" % number
    with post.reception.spool() as spool:
        spool.write(raw)
        post.reception.accept(envelope_of(raw, ADDRESS, received_at=1_800_000_000_000 + number), spool)
    return raw


def forget_what_is_remembered(parts: Parts) -> None:
    """As the time does for which keys are trusted."""
    assert isinstance(parts.keys, S3Keys)
    parts.keys._trusted_until = 0.0


def delivered(parts: Parts) -> list[str]:
    entry = parts.directory.find(ADDRESS)
    assert entry is not None
    with parts.connect() as connection:
        query = "SELECT blob FROM messages WHERE mailbox_id = %s AND 'INBOX' = ANY(labels) ORDER BY delivered_seq"
        return [blob for (blob,) in connection.execute(query, (entry.mailbox_id,))]


def test_mail_comes_back_byte_for_byte_and_nothing_lies_in_the_data_folder(parts: Parts) -> None:
    post = DeliveryParts(parts)
    raw = accept(post, 1)
    assert post.worker().run_due() == 1
    (blob,) = delivered(parts)
    assert read_mail(parts.blobs, blob) == raw
    assert sorted(path.name for path in parts.settings.data.rglob("*") if path.is_file()) == ["master.key"]


def test_mail_is_not_taken_while_s3_is_away_and_is_once_it_is_back(parts: Parts, s3: OwnServer) -> None:
    post = DeliveryParts(parts)
    s3.stop()
    with pytest.raises(TemporarilyUnavailableError):
        accept(post, 1)
    with pytest.raises(S3UnavailableError):
        parts.check_blobs()
    s3.start()
    parts.check_blobs()
    accept(post, 2)
    assert post.worker().run_due() == 1
    assert len(delivered(parts)) == 1


def test_what_was_taken_waits_for_s3_without_counting_as_a_failure(parts: Parts, s3: OwnServer) -> None:
    post = DeliveryParts(parts)
    worker = post.worker()
    accept(post, 1)
    s3.stop()
    for _more_than_the_attempts in range(parts.settings.delivery_attempts + 2):
        worker.run_due()
        with parts.connect() as connection:
            due = "UPDATE queue_records SET due_at = 0 RETURNING interruptions"
            assert connection.execute(due).fetchall() == [(0,)]
            failed = connection.execute("UPDATE queue_failures SET due_at = 0 RETURNING failures, error").fetchall()
            assert [(failures, error[:7]) for failures, error in failed] == [(0, "outage:")]
    s3.start()
    assert worker.run_due() == 1
    assert len(delivered(parts)) == 1


def test_a_view_that_follows_waits_for_s3_and_parks_nothing(parts: Parts, s3: OwnServer) -> None:
    post = DeliveryParts(parts)
    accept(post, 1)
    post.worker().run_due()
    follower = Follower(parts.conninfo, parts.reader, ContactsView())
    with parts.connect() as connection:
        fan_out(connection, ["contacts"])
        s3.stop()
        forget_what_is_remembered(parts)
        with pytest.raises(S3UnavailableError):
            follower.step(connection)
        assert not any(parked for _behind, parked in lags(connection).values())
        s3.start()
        assert follower.step(connection) > 0
        assert lags(connection)["contacts"] == (0, 0)


def test_a_key_is_not_trusted_for_ever_while_s3_is_away(parts: Parts, s3: OwnServer) -> None:
    entry = parts.directory.find(ADDRESS)
    assert entry is not None
    s3.stop()
    forget_what_is_remembered(parts)
    with pytest.raises(S3UnavailableError):
        parts.keys.get(entry.mailbox_id)
    with pytest.raises(AccountsUnavailableError):
        parts.registration.register("bob@example.test", "a long enough pass phrase 72")
    s3.start()
    assert parts.keys.get(entry.mailbox_id) is not None


def test_a_start_while_s3_is_away_is_refused_in_one_line(environment: dict[str, str], s3: OwnServer) -> None:
    s3.stop()
    with Parts(load(environment)) as parts:
        for made in ("blobs", "keys"):
            with pytest.raises(OperatorError, match=r"^[^\n]*does not answer[^\n]*$"):
                getattr(parts, made)


@pytest.mark.parametrize(("setting", "made"), [("S3_BUCKET", "blobs"), ("S3_KEYS_BUCKET", "keys")])
def test_a_bucket_that_does_not_exist_stops_the_start_with_one_line(
    environment: dict[str, str], setting: str, made: str
) -> None:
    parts = Parts(load(environment | {f"LEDGERMAIL_{setting}": "nowhere"}))
    with parts, pytest.raises(OperatorError, match=r"^the S3 bucket 'nowhere' does not exist$"):
        getattr(parts, made)


@pytest.mark.parametrize("made", ["blobs", "keys"])
def test_a_wrong_secret_stops_the_start_with_one_line(environment: dict[str, str], made: str) -> None:
    parts = Parts(load(environment | {"LEDGERMAIL_S3_SECRET_KEY": "wrong"}))
    with parts, pytest.raises(OperatorError, match=r"^the S3 bucket '[a-z-]+' is closed to these keys$"):
        getattr(parts, made)
