"""Mail from one service to another host, and to another service, over real sockets, with a DNS of its own."""

import contextlib
from collections.abc import Iterator

import pytest

from tests import dns_zone, smtp_sink
from tests.dns_zone import Zone
from tests.smtp_sink import Sink
from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until


@contextlib.contextmanager
def sending_service(zone: Zone, port: int, **settings: str) -> Iterator[Service]:
    """A service whose world is the zone, and whose port of other hosts is this one."""
    with dns_zone.serving(zone) as dns:
        own = {"LEDGERMAIL_DNS": str(dns), "LEDGERMAIL_RELAY_PORT": str(port), "LEDGERMAIL_AUTHENTICATION": "off"}
        with installation(settings=own | settings) as service:
            yield service


def send(person: Person, *to: str, subject: str = "hello") -> str:
    message = {"to": [{"address": one} for one in to], "subject": subject, "text": "How are you?"}
    answer = person.http.post("/v1/messages", json=message)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["submission_id"])


def statuses(person: Person, submission_id: str) -> dict[str, str]:
    found = person.http.get(f"/v1/submissions/{submission_id}").json()
    return {one["address"]: one["status"] for one in found["recipients"]}


@pytest.mark.timeout(600)
def test_a_mail_to_another_host_arrives_signed_and_its_sender_sees_it() -> None:
    sink = Sink()
    with smtp_sink.serving((sink, "127.0.0.2")) as port:
        zone = Zone({"far.test": [("MX", (10, "mx.far.test"))], "mx.far.test": [("A", "127.0.0.2")]})
        with sending_service(zone, port) as service:
            service.start(within_s=200)
            assert service.run("dkim", "create", "example.test").returncode == 0
            ann = Person(service.url, "ann@example.test")
            sent = send(ann, "zoe@far.test", "ann@example.test")
            until(lambda: statuses(ann, sent).get("zoe@far.test") == "relayed", within_s=120, what="it is relayed")
            (taken,) = sink.taken
            assert taken.to == ["zoe@far.test"]
            assert taken.content.count(b"DKIM-Signature:") == 2
            until(lambda: statuses(ann, sent)["ann@example.test"] == "delivered", within_s=120)


@pytest.mark.timeout(600)
def test_a_second_installation_takes_what_it_knows_and_the_sender_hears_of_the_rest() -> None:
    with installation(settings={"LEDGERMAIL_DOMAINS": "far.test"}) as far:
        far.start(within_s=200)
        zoe = Person(far.url, "zoe@far.test")
        zone = Zone({"far.test": [("MX", (10, "mx.far.test"))], "mx.far.test": [("A", "127.0.0.1")]})
        with sending_service(zone, far.smtp) as near:
            near.start(within_s=200)
            ann = Person(near.url, "ann@example.test")
            sent = send(ann, "zoe@far.test", "nobody@far.test", subject="from afar")
            until(lambda: set(statuses(ann, sent).values()) == {"relayed", "bounced"}, within_s=200, what="settled")
            until(lambda: len(zoe.messages("INBOX")) == 1, within_s=200, what="it is there")
            until(lambda: len(ann.messages("INBOX")) == 1, within_s=200, what="the notification came")
            (notice,) = ann.messages("INBOX")
            assert notice["subject"] == "Undelivered mail returned to sender"
            assert near.run("relay", "queue").stdout == "nothing waits for other hosts\n"


@pytest.mark.timeout(600)
def test_a_relay_that_is_killed_while_it_sends_doubles_nothing_that_was_settled() -> None:
    sink = Sink()
    with smtp_sink.serving((sink, "127.0.0.2")) as port:
        zone = Zone({"far.test": [("MX", (10, "mx.far.test"))], "mx.far.test": [("A", "127.0.0.2")]})
        with sending_service(zone, port) as service:
            service.start(within_s=200)
            ann = Person(service.url, "ann@example.test")
            sent = {send(ann, f"u{number}@far.test"): f"u{number}@far.test" for number in range(20)}
            until(lambda: service.kill_child("delivery"), within_s=30, what="the relay runs, to be killed")
            until(
                lambda: all(statuses(ann, one)[to] == "relayed" for one, to in sent.items()),
                within_s=200,
                what="all are relayed",
            )
            arrived = [to for one in sink.taken for to in one.to]
            assert set(arrived) == set(sent.values())
