"""Bulk mail bears a link by which its recipient wants no more of it (RFC 8058)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.delivery_parts import DeliveryParts
from infra.postgres_unsubscribes import PostgresUnsubscribes
from tests.http_house import House, Person, running


@pytest.fixture
def house(database_url: str, data_folder: Path) -> Iterator[House]:
    with running(database_url, data_folder, LEDGERMAIL_PUBLIC_URL="https://mail.example.test") as house:
        yield house


def send(sender: Person, *to: Person, stream: str = "bulk") -> dict[str, Any]:
    recipients = [{"address": one.address} for one in to]
    asked = {"to": recipients, "subject": "News", "text": "Buy!", "stream": stream, "undo_seconds": 0}
    sent: dict[str, Any] = sender.post("/v1/messages", asked, status=202)
    return sent


def hand_over(house: House) -> None:
    DeliveryParts(house.parts).sender().run_due()
    house.deliver_all()


def inbox(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get("/v1/messages", label="INBOX")["messages"]
    return found


def headers(person: Person, message: dict[str, Any]) -> dict[str, str]:
    opened = person.get(f"/v1/messages/{message['id']}")
    return {field["name"]: field["value"] for field in opened["headers"]}


def link(person: Person, message: dict[str, Any]) -> str:
    """The link's path and query."""
    found = re.fullmatch(r"<https://mail\.example\.test(/.+)>", headers(person, message)["List-Unsubscribe"])
    assert found is not None
    return found[1]


def status(sender: Person, sent: dict[str, Any]) -> str:
    return str(sender.get(f"/v1/submissions/{sent['submission_id']}")["recipients"][0]["status"])


def test_who_unsubscribes_gets_no_more_bulk_mail_of_this_sender_and_all_other_mail(house: House) -> None:
    ann, shop, other = house.person("ann"), house.person("shop"), house.person("other")
    send(shop, ann)
    hand_over(house)
    (message,) = inbox(ann)
    assert headers(ann, message)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = link(ann, message)
    assert "shop" not in path
    assert "ann" not in path

    page = house.http.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post">' in page.text
    second = send(shop, ann)
    hand_over(house)
    assert status(shop, second) == "delivered"

    for _ in range(2):
        form = house.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (form.status_code, "unsubscribed" in form.text) == (200, True)
    refused = send(shop, ann)
    for sender, stream in ((shop, "personal"), (shop, "transactional"), (other, "bulk")):
        send(sender, ann, stream=stream)
    hand_over(house)
    assert status(shop, refused) == "rejected"
    assert len(inbox(ann)) == 5
    told = [one["data"] for one in shop.get("/v1/sync", since=0)["events"] if one["type"] == "RecipientUnsubscribed"]
    assert told == [{"address": ann.address}]
    why = shop.get(f"/v1/submissions/{refused['submission_id']}")["recipients"][0]["last_reply"]
    assert why == f"{ann.address} unsubscribed from your bulk mail"
    listed = PostgresUnsubscribes(house.parts.connect).page(shop.mailbox_id)
    assert [one.address for one in listed] == [ann.address]
    assert PostgresUnsubscribes(house.parts.connect).page(other.mailbox_id) == []


def test_what_was_said_before_it_was_an_event_still_counts(house: House) -> None:
    ann, shop = house.person("ann"), house.person("shop")
    with house.parts.connect() as connection:
        connection.execute("INSERT INTO unsubscribed VALUES (%s, %s, 7)", (shop.mailbox_id, ann.address))
    assert status(shop, _sent_after(house, shop, ann)) == "rejected"
    assert [one.at for one in PostgresUnsubscribes(house.parts.connect).page(shop.mailbox_id)] == [7]


def test_who_unsubscribes_from_an_erased_sender_is_told_that_it_is_done(house: House) -> None:
    ann, shop = house.person("ann"), house.person("shop")
    send(shop, ann)
    hand_over(house)
    path = link(ann, inbox(ann)[0])
    house.parts.administration.erase(house.parts.accounts.at(shop.address), why="asked for")
    form = house.http.post(path, data={"List-Unsubscribe": "One-Click"})
    assert (form.status_code, "unsubscribed" in form.text) == (200, True)


def test_by_multipart_form_it_is_one_click_too(house: House) -> None:
    ann, shop = house.person("ann"), house.person("shop")
    send(shop, ann)
    hand_over(house)
    path = link(ann, inbox(ann)[0])
    assert house.http.post(path, files={"List-Unsubscribe": (None, "One-Click")}).status_code == 200
    assert status(shop, _sent_after(house, shop, ann)) == "rejected"


def _sent_after(house: House, sender: Person, to: Person) -> dict[str, Any]:
    sent = send(sender, to)
    hand_over(house)
    return sent


@pytest.mark.parametrize("token", ["", "AAAA", "A" * 200, "\u00e9", "%00"])
def test_a_link_that_is_none_of_ours_does_nothing(house: House, token: str) -> None:
    for method in ("GET", "POST"):
        answer = house.http.request(method, "/unsubscribe", params={"token": token})
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")


def test_a_bulk_message_goes_to_one_recipient(house: House) -> None:
    ann, bob, shop = (house.person(name) for name in ("ann", "bob", "shop"))
    body = {"to": [{"address": ann.address}, {"address": bob.address}], "text": "Buy!", "stream": "bulk"}
    assert shop.refused("POST", "/v1/messages", json=body) == (422, "recipients_invalid")


def test_other_mail_bears_no_such_link(house: House) -> None:
    ann, bob = house.person("ann"), house.person("bob")
    send(bob, ann, stream="transactional")
    hand_over(house)
    assert "List-Unsubscribe" not in headers(ann, inbox(ann)[0])
