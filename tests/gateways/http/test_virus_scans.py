"""Files that clients bring, and attachments that nobody looked at: what a scanner says of them decides."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.times import DAY_MS
from gateways.screening import Screening
from infra.delivery_parts import DeliveryParts
from tests.clamd_server import EICAR, THREAT, ClamdServer, clamd_server
from tests.http_house import House, Person, running
from tests.post_office import envelope_of

NOBODY = "127.0.0.1:1"
ATTACHED = (
    b"From: Bob <bob@elsewhere.test>\r\nSubject: Hello\r\nMessage-ID: <%b@elsewhere.test>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n"
    b'--b\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment; filename="a.pdf"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n%b\r\n--b--\r\n"
)


@pytest.fixture
def clamd() -> Iterator[ClamdServer]:
    with clamd_server() as server:
        yield server


@pytest.fixture
def house(database_url: str, data_folder: Path, clamd: ClamdServer) -> Iterator[House]:
    with running(database_url, data_folder, LEDGERMAIL_CLAMD=clamd.address) as house:
        yield house


@pytest.fixture
def unguarded(database_url: str, data_folder: Path) -> Iterator[House]:
    """A house whose scanner does not answer."""
    with running(database_url, data_folder, LEDGERMAIL_CLAMD=NOBODY) as house:
        yield house


def brought(person: Person, content: bytes) -> str:
    """The path of a file's upload, whose bytes are here."""
    asked = {"filename": "plan.pdf", "content_type": "application/pdf", "size": len(content)}
    announced = person.post("/v1/attachments", asked, status=201)
    assert person.http.put(announced["upload"]["url"], content=content).status_code == 200
    return f"/v1/attachments/{announced['id']}"


def delivered(house: House, person: Person, content: bytes, virus: str) -> dict[str, Any]:
    """A mail with this attachment, opened."""
    raw = ATTACHED % (b"1", base64.b64encode(content))
    reception = DeliveryParts(house.parts).reception
    spool = reception.spool()
    spool.write(raw)
    envelope = envelope_of(raw, person.address, received_at=20_000 * DAY_MS)
    reception.accept(msgspec.structs.replace(envelope, screening=Screening(virus=virus)), spool)
    house.deliver_all()
    (listed,) = person.get("/v1/messages", label="INBOX")["messages"]
    opened: dict[str, Any] = person.get(f"/v1/messages/{listed['id']}")
    return opened


def downloads(house: House, opened: dict[str, Any]) -> tuple[int, bytes]:
    answer = house.http.get(opened["attachments"][0]["url"])
    return answer.status_code, answer.content


def test_a_clean_file_is_said_to_be_clean(house: House) -> None:
    ann = house.person("ann")
    assert ann.post(brought(ann, b"%PDF") + "/complete") == {"scan": "clean"}


def test_an_infected_file_is_refused_and_cannot_be_attached(house: House, clamd: ClamdServer) -> None:
    ann = house.person("ann")
    path = brought(ann, EICAR)
    answer = ann.http.post(path + "/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "attachment_infected")
    assert answer.json()["detail"] == THREAT
    assert ann.refused("POST", path + "/complete") == (422, "attachment_infected")
    draft = {"attachment_ids": [path.rpartition("/")[2]]}
    assert ann.refused("POST", "/v1/drafts", json=draft) == (409, "upload_incomplete")
    assert clamd.scanned == 1


def test_a_scan_that_takes_long_is_pending_and_what_it_finds_counts_when_it_is_over(
    house: House, clamd: ClamdServer
) -> None:
    ann = house.person("ann")
    clamd.answers.clear()
    path = brought(ann, EICAR)
    assert ann.post(path + "/complete") == {"scan": "pending"}
    clamd.answers.set()
    assert ann.refused("POST", path + "/complete") == (422, "attachment_infected")
    draft = {"attachment_ids": [path.rpartition("/")[2]]}
    assert ann.refused("POST", "/v1/drafts", json=draft) == (422, "attachment_infected")
    assert clamd.scanned == 1


def test_a_file_that_nobody_can_look_at_is_unscreened_and_may_be_attached(unguarded: House) -> None:
    ann = unguarded.person("ann")
    path = brought(ann, b"%PDF")
    assert ann.post(path + "/complete") == {"scan": "unscreened"}
    assert ann.post("/v1/drafts", {"attachment_ids": [path.rpartition("/")[2]]}, status=201)["revision"] == 1


def test_a_file_larger_than_the_scanner_takes_is_unscreened(house: House, clamd: ClamdServer) -> None:
    clamd.largest_bytes = 1000
    ann = house.person("ann")
    assert ann.post(brought(ann, bytes(2000)) + "/complete") == {"scan": "unscreened"}


def test_attachments_of_mail_that_was_looked_at_are_handed_out_without_a_scan(house: House, clamd: ClamdServer) -> None:
    opened = delivered(house, house.person("ann"), b"%PDF", "clean")
    assert opened["virus_scan"] == "clean"
    assert downloads(house, opened) == (200, b"%PDF")
    assert clamd.scanned == 0


def test_an_unscreened_attachment_is_handed_out_once_it_was_found_clean(house: House, clamd: ClamdServer) -> None:
    ann = house.person("ann")
    opened = delivered(house, ann, b"%PDF", "unscreened")
    assert opened["virus_scan"] == "unscreened"
    for _ in range(2):
        assert downloads(house, opened) == (200, b"%PDF")
    assert clamd.scanned == 1
    assert ann.http.get(f"/v1/messages/{opened['id']}/raw").status_code == 200


def test_an_unscreened_attachment_with_a_virus_is_not_handed_out(house: House) -> None:
    ann = house.person("ann")
    opened = delivered(house, ann, EICAR, "unscreened")
    answer = house.http.get(opened["attachments"][0]["url"])
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (403, "attachment_blocked", THREAT)


def test_an_unscreened_attachment_is_blocked_while_nobody_can_look_at_it(unguarded: House) -> None:
    ann = unguarded.person("ann")
    opened = delivered(unguarded, ann, b"%PDF", "unscreened")
    answer = unguarded.http.get(opened["attachments"][0]["url"])
    assert (answer.status_code, answer.json()["code"]) == (503, "attachment_unscreened")
    assert answer.headers["retry-after"] == "60"
    assert ann.refused("GET", f"/v1/messages/{opened['id']}/raw") == (503, "attachment_unscreened")
