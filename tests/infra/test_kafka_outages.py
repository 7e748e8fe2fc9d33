"""Accepted mail in Kafka, a whole installation: what was acknowledged arrives once, whatever becomes of the broker."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from gateways.queue import Leased, QueueUnavailableError
from gateways.reception import TemporarilyUnavailableError
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.kafka.cluster import KafkaUnavailableError
from infra.kafka.in_hand import Taken
from infra.kafka.member import GroupMember
from infra.operator_errors import OperatorError
from infra.settings import load
from tests.kafka_servers import OwnKafka, own_kafka
from tests.post_office import MAIL, envelope_of

pytestmark = pytest.mark.servers
ADDRESS = "ann@example.test"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with own_kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
def kafka(running: OwnKafka) -> OwnKafka:
    """The broker, running, whatever the test before did to it."""
    running.start()
    return running


@pytest.fixture
def environment(kafka: OwnKafka, database_url: str, data_folder: Path) -> dict[str, str]:
    return {
        "LEDGERMAIL_DATABASE_URL": database_url,
        "LEDGERMAIL_DATA": str(data_folder),
        **kafka.variables,
        "LEDGERMAIL_KAFKA_PREFIX": f"{data_folder.name}.",
    }


@pytest.fixture
def parts(environment: dict[str, str]) -> Iterator[Parts]:
    with Parts(load(environment)) as made:
        made.ensure_operator()
        made.registration.register(ADDRESS, "a long enough pass phrase 71")
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an outage is told after one second."""
    monkeypatch.setattr("infra.kafka.publisher.DELIVERY_MS", 2_000)
    monkeypatch.setattr("infra.kafka.cluster.REQUEST_MS", 1_000)
    monkeypatch.setattr("infra.kafka.cluster.BOOTSTRAP_MS", 1_000)


def accept(post: DeliveryParts, *numbers: int) -> list[int]:
    """Those that were acknowledged."""
    mails = [MAIL % b"%d" % number for number in numbers]
    envelopes = [envelope_of(raw, ADDRESS, received_at=1_800_000_000_000) for raw in mails]
    outcomes = post.reception.accept_all(list(zip(envelopes, mails, strict=True)))
    assert all(outcome is None or isinstance(outcome, TemporarilyUnavailableError) for outcome in outcomes)
    return [number for number, outcome in zip(numbers, outcomes, strict=True) if outcome is None]


def arrived(parts: Parts) -> Counter[int]:
    entry = parts.directory.find(ADDRESS)
    assert entry is not None
    with parts.connect() as connection:
        query = "SELECT blob FROM messages WHERE mailbox_id = %s AND destroyed_seq IS NULL"
        blobs = [blob for (blob,) in connection.execute(query, (entry.mailbox_id,))]
    return Counter(int(parts.blobs.read(blob).split(b"Message-ID: <")[1].split(b"@")[0]) for blob in blobs)


def deliver(parts: Parts, post: DeliveryParts, wanted: set[int]) -> None:
    """Until all of them arrived."""
    worker = post.worker()
    while not wanted <= arrived(parts).keys():
        try:
            worker.run_due()
        except QueueUnavailableError:
            continue


def test_mail_goes_the_whole_way_and_nothing_of_it_stays_behind(parts: Parts) -> None:
    post = DeliveryParts(parts)
    assert accept(post, *range(20)) == list(range(20))
    assert parts.kafka is not None
    assert parts.kafka.backlog.records() == 20
    deliver(parts, post, set(range(20)))
    assert set(arrived(parts).values()) == {1}
    assert parts.kafka.backlog.records() == 0
    with parts.connect() as connection:
        assert connection.execute("SELECT count(*) FROM queue_records").fetchone() == (0,)
        query = "SELECT count(*) FROM blob_references WHERE holder LIKE 'queue:%'"
        assert connection.execute(query).fetchone() == (0,)


def test_every_record_that_lies_there_twice_is_delivered_once(parts: Parts) -> None:
    post, worker = DeliveryParts(parts), DeliveryParts(parts).worker()
    assert parts.kafka is not None
    accept(post, *range(30))
    topic = parts.kafka.topics.incoming
    reader = GroupMember(parts.kafka.cluster, topic, parts.kafka.topics.group("reader"))
    assert reader.join(threading.Event(), patience_s=30)
    lying: list[Taken] = []
    while len(lying) < 30:
        lying += reader.fetch(most=100, patience_s=5)
    reader.close()
    again = [((taken.key or b"").decode(), taken.value or b"") for taken in lying]
    parts.kafka.publisher.publish(topic, again[:15])
    deliver(parts, post, set(range(30)))
    parts.kafka.publisher.publish(topic, again)
    while parts.kafka.backlog.records():
        worker.run_due()
    assert arrived(parts) == Counter(range(30))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_what_was_acknowledged_arrives_once_though_the_broker_was_killed_or_paused_under_ingest(
    parts: Parts, kafka: OwnKafka, how: signal.Signals
) -> None:
    post, stop = DeliveryParts(parts), threading.Event()
    acknowledged: list[int] = []
    refused = threading.Event()

    def ingest(first: int) -> None:
        while not stop.is_set():
            numbers = range(first, first + 5)
            taken = accept(post, *numbers)
            acknowledged.extend(taken)
            if not taken:
                refused.set()
            first += 5

    worker = post.worker()
    threads = [threading.Thread(target=ingest, args=(n * 1_000_000,)) for n in range(3)]
    threads.append(threading.Thread(target=worker.run, args=(stop,)))
    for thread in threads:
        thread.start()
    while len(acknowledged) < 60:
        assert not stop.wait(0.01)
    kafka.signal(how)
    assert refused.wait(60)
    if how is signal.SIGKILL:
        kafka.start()
    else:
        kafka.signal(signal.SIGCONT)
    before = len(acknowledged)
    while len(acknowledged) < before + 60:
        assert not stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    deliver(parts, post, set(acknowledged))
    assert set(arrived(parts).values()) == {1}
    with parts.connect() as connection:
        assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
        assert connection.execute("SELECT max(failures) FROM queue_failures").fetchone() in ((None,), (0,))


@pytest.mark.usefixtures("impatient")
def test_what_waits_in_postgres_is_delivered_while_the_broker_is_away(parts: Parts, kafka: OwnKafka) -> None:
    post = DeliveryParts(parts)
    worker = post.worker()
    accept(post, 1)
    (held,) = lease_one(post)
    post.queue.postpone(held, 0, due_at=0, failures=0, error="waits")
    kafka.stop()
    assert worker.run_due() == 1
    assert arrived(parts) == Counter([1])
    assert accept(post, 2) == []
    assert parts.kafka is not None
    with pytest.raises(KafkaUnavailableError, match="ECONNREFUSED"):
        parts.kafka.check()


def lease_one(post: DeliveryParts) -> list[Leased]:
    while not (found := list(post.queue.lease("w", limit=1, lease_s=60))):
        continue
    return found


@pytest.mark.usefixtures("impatient")
def test_a_start_before_the_broker_waits_for_it(environment: dict[str, str], kafka: OwnKafka) -> None:
    kafka.stop()
    with Parts(load(environment)) as parts:
        parts.ensure_operator()
        parts.registration.register(ADDRESS, "a long enough pass phrase 71")
        post = DeliveryParts(parts)
        assert accept(post, 1) == []
        with pytest.raises(QueueUnavailableError):
            post.queue.lease("w", limit=1, lease_s=60)
        kafka.start()
        assert accept(post, 2) == [2]
        deliver(parts, post, {2})


def test_a_topic_that_loses_mail_by_age_stops_the_start_with_one_line(
    environment: dict[str, str], kafka: OwnKafka
) -> None:
    with Parts(load(environment)) as parts:
        assert parts.kafka is not None
        with parts.kafka.cluster.admin() as admin:
            topic = parts.kafka.topics.incoming
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1000"})])
    with Parts(load(environment)) as parts, pytest.raises(OperatorError, match=r"^[^\n]*would lose mail[^\n]*$"):
        _ = parts.kafka


def test_a_topic_that_cannot_be_made_stops_the_start_with_one_line(environment: dict[str, str]) -> None:
    impossible = environment | {"LEDGERMAIL_KAFKA_PREFIX": "other.", "LEDGERMAIL_KAFKA_REPLICATION": "3"}
    with Parts(load(impossible)) as parts, pytest.raises(OperatorError, match=r"^[^\n]*cannot be made[^\n]*$"):
        _ = parts.kafka
