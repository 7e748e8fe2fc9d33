"""One id through the whole service: what `grep ID` shows of a message in the log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.http_crowd import PASSWORD, Person
from tests.system.service import Service, installation, until
from tests.system.smtp_crowd import Sender

Json = dict[str, Any]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with installation(settings={"LEDGERMAIL_LOG": "json"}) as made:
        made.start()
        yield made


def lines(service: Service, **wanted: Any) -> list[Json]:
    """What was logged with these facts."""
    found = [json.loads(line) for line in service.said().splitlines() if line.startswith("{")]
    return [one for one in found if wanted.items() <= one.items()]


def stages(service: Service, mail: str) -> list[str]:
    """The stages of a message in the order of time, views by their name."""
    found = sorted([*lines(service, mail=mail), *in_views(service, mail)], key=lambda one: one["at"])
    return [one["said"] if one["said"] != "in view" else f"in {one['view']}" for one in found]


def in_views(service: Service, mail: str) -> list[Json]:
    """What the views said of a message, together with others."""
    return [one for one in lines(service, said="in view") if mail in one["mails"]]


def wait_for_views(service: Service, mail: str) -> None:
    until(lambda: {"in search", "in contacts"} <= set(stages(service, mail)), within_s=30, what="it is in the views")


def test_a_mail_from_outside_is_followed_from_its_acceptance_into_every_view(service: Service) -> None:
    ann = Person(service.url, "ann@example.test")
    Sender(service.smtp, "trail", [ann.address], mails=1).start().wait(30)
    until(lambda: lines(service, said="accepted"), within_s=10, what="it is accepted")
    (accepted,) = lines(service, said="accepted", sender="bob@elsewhere.test")
    assert accepted["to"] == ["ann@example.test"]
    assert accepted["peer"] == "127.0.0.1"
    wait_for_views(service, accepted["mail"])
    assert stages(service, accepted["mail"])[:2] == ["accepted", "delivered"]
    assert sorted(stages(service, accepted["mail"])[2:]) == ["in contacts", "in search"]
    (delivered,) = lines(service, said="delivered", mail=accepted["mail"])
    for one in in_views(service, accepted["mail"]):
        assert one["mailbox"] == delivered["mailbox"]
        assert one["seq"] >= delivered["seq"]


def test_a_letter_is_followed_from_the_request_that_sent_it_into_the_friends_views(service: Service) -> None:
    carl, dora = (Person(service.url, f"{name}@example.test") for name in ("carl", "dora"))
    letter = {"to": [{"address": dora.address}], "subject": "Secret plans", "text": "Hush.", "undo_seconds": 0}
    sent = carl.http.post("/v1/messages", json=letter, headers={"X-Request-Id": "r-17"})
    assert sent.status_code == 202
    submission = sent.json()["submission_id"]
    until(lambda: lines(service, said="queued", submission=submission), within_s=30, what="it is queued")
    (submitted,) = lines(service, said="submitted", submission=submission)
    assert submitted["request"] == "r-17"
    (queued,) = lines(service, said="queued", submission=submission)
    wait_for_views(service, queued["mail"])
    assert stages(service, queued["mail"])[:2] == ["queued", "delivered"]


def test_the_log_holds_no_content_no_password_and_no_token(service: Service) -> None:
    eve = Person(service.url, "eve@example.test")
    eve.http.post("/v1/sessions", json={"address": eve.address, "password": "wrong and secret"})
    eve.http.get("/v1/messages/none")
    said = service.said()
    for secret in ("Secret plans", "Hush.", PASSWORD, "wrong and secret", eve.token, "This is trail"):
        assert secret not in said
