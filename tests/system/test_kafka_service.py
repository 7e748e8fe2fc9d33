"""The service on Kafka: processes side by side finish one backlog, some of them killed or stopped meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.kafka.parts import KafkaParts
from tests.conftest import temporary_data_folder
from tests.kafka_servers import fresh_kafka, kafka_variables
from tests.server_profile import fresh_profile
from tests.system.http_crowd import Person
from tests.system.ingest import assert_logs_and_views_agree
from tests.system.service import Service, installation, until
from tests.system.service_checks import assert_each_mail_is_there_once, wait_until_settled
from tests.system.smtp_crowd import Sender

pytestmark = pytest.mark.servers
STOP_S = 10.0


@pytest.fixture
def variables() -> dict[str, str]:
    return kafka_variables(partitions=6)


@pytest.fixture
def data() -> Iterator[Path]:
    with temporary_data_folder() as folder:
        yield folder / "data"


@pytest.fixture
def kafka(variables: dict[str, str]) -> Iterator[KafkaParts]:
    with fresh_kafka(variables) as parts:
        yield parts


def correspondence(service: Service, person: Person) -> int:
    """How many mails the view that follows counted for a mailbox."""
    with service.parts() as parts, parts.connect() as connection:
        entry = parts.directory.find(person.address)
        assert entry is not None
        query = "SELECT coalesce(sum(received), 0) FROM correspondents WHERE mailbox_id = %s"
        row = connection.execute(query, (entry.mailbox_id,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(params=["kafka alone", "every server"])
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Kafka beside the embedded parts, whose search one process alone writes; and all of the profile."""
    if request.param == "every server":
        with fresh_profile(partitions=6) as found:
            yield found
    else:
        found = kafka_variables(partitions=6)
        with fresh_kafka(found):
            yield found


@pytest.mark.timeout(300)
def test_two_of_delivery_and_followers_finish_a_backlog_though_one_is_killed_and_one_is_stopped(
    servers: dict[str, str], data: Path
) -> None:
    only = ("--only", "delivery,follower")
    with (
        installation(data, settings=servers) as first,
        installation(data, settings=servers, arguments=only) as second,
    ):
        first.start()
        second.start()
        people = [Person(first.url, f"person{n}@example.test") for n in range(4)]
        senders = [Sender(first.smtp, f"s{n}", [person.address]).start() for n, person in enumerate(people)]
        until(lambda: all(len(one.acknowledged) > 20 for one in senders), within_s=60, what="mail comes in")
        assert first.kill_child("delivery")
        assert second.kill_child("follower")
        until(lambda: all(len(one.acknowledged) > 60 for one in senders), within_s=60, what="more mail comes in")
        code, stop_s = second.stop()
        assert code == 0
        assert stop_s < STOP_S
        for sender in senders:
            sender.finish(30)
        wait_until_settled(first, within_s=120)
        delivered = [assert_each_mail_is_there_once(person, senders) for person in people]
        assert [correspondence(first, person) for person in people] == delivered
        assert_logs_and_views_agree(first, people)
        listed = first.run("queue", "list").stdout
        assert listed.startswith("0 waiting, 0 dead letters\n0 in Kafka")
        assert first.stop()[0] == 0


@pytest.mark.timeout(300)
def test_what_a_paused_process_has_is_delivered_by_another_and_once(
    kafka: KafkaParts, variables: dict[str, str], data: Path
) -> None:
    with (
        installation(data, settings=variables) as first,
        installation(data, settings=variables, arguments=("--only", "delivery")) as second,
    ):
        first.start()
        second.start()
        ann = Person(first.url, "ann@example.test")
        sender = Sender(first.smtp, "s", [ann.address]).start()
        until(lambda: len(sender.acknowledged) > 30, within_s=60, what="mail comes in")
        paused = second.children()["delivery"]
        os.kill(paused, signal.SIGSTOP)
        until(lambda: len(sender.acknowledged) > 90, within_s=60, what="more mail comes in")
        sender.finish(30)
        until(lambda: kafka.backlog.records() == 0, within_s=90, what="the other has taken over")
        assert_each_mail_is_there_once(ann, [sender])
        os.kill(paused, signal.SIGCONT)
        late = Sender(first.smtp, "late", [ann.address], mails=30).start()
        late.wait(60)
        wait_until_settled(first)
        until(lambda: kafka.backlog.records() == 0, within_s=90, what="nothing waits in Kafka")
        wait_until_settled(first)
        assert_each_mail_is_there_once(ann, [sender, late])


@pytest.mark.timeout(120)
def test_migrate_makes_the_topics_and_says_so_once(variables: dict[str, str], data: Path) -> None:
    with installation(data, settings=variables) as service:
        made = service.run("migrate").stdout.splitlines()
        prefix = variables["LEDGERMAIL_KAFKA_PREFIX"]
        topics = [f"topic {prefix}{name}" for name in ("incoming_emails", "mailbox_events")]
        assert [line for line in made if line.startswith("topic ")] == topics
        assert service.run("migrate").stdout == "the database is up to date\n"
    with fresh_kafka(variables):
        pass  # takes them away


def test_brokers_that_are_not_there_stop_migrate_with_one_line(variables: dict[str, str], data: Path) -> None:
    nowhere = variables | {"LEDGERMAIL_KAFKA": "127.0.0.1:1"}
    with installation(data, settings=nowhere) as service:
        ended = service.run("migrate")
    assert ended.returncode == 1
    assert [line[:18] for line in ended.stderr.splitlines()] == ["ledgermail: Kafka:"]
