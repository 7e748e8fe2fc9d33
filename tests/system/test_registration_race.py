"""Strangers to each other on one running service: one address has one owner, and nobody reaches another's anything."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest

from tests.system.http_crowd import PASSWORD, Person
from tests.system.service import Service, installation, until
from tests.system.smtp_crowd import Sender

RACERS = 16
SECRET = "zanzibarquartz"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with installation() as running:
        running.start()
        yield running
        running.stop()


@pytest.mark.parametrize(
    "addresses",
    [
        ["prize@example.test"] * RACERS,
        ["Other@example.test", "other@EXAMPLE.test", "OTHER@example.TEST", "other@example.test"] * (RACERS // 4),
    ],
)
def test_of_sixteen_who_register_one_address_one_wins(service: Service, addresses: list[str]) -> None:
    barrier = Barrier(RACERS)

    def register(number: int) -> httpx.Response:
        with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            client.get("/healthz")
            barrier.wait(60)
            body = {"address": addresses[number], "password": f"{PASSWORD} {number}"}
            return client.post("/v1/accounts", json=body)

    with ThreadPoolExecutor(RACERS) as racers:
        answers = list(racers.map(register, range(RACERS)))
    assert Counter(one.status_code for one in answers) == {201: 1, 409: RACERS - 1}
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"address_taken"}
    winner = next(number for number, one in enumerate(answers) if one.status_code == 201)
    assert sign_in(service, addresses[0], f"{PASSWORD} {winner}") == 201
    assert sign_in(service, addresses[0], f"{PASSWORD} {(winner + 1) % RACERS}") == 401


def sign_in(service: Service, address: str, password: str) -> int:
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        return client.post("/v1/sessions", json={"address": address, "password": password}).status_code


class Belongings:
    """Something of every kind that an account can own, and its ids."""

    def __init__(self, service: Service, owner: Person, friend: str) -> None:
        self.owner = owner
        Sender(service.smtp, SECRET, [owner.address], mails=1).start().wait(30)
        until(lambda: owner.messages("INBOX"), within_s=30, what="the mail arrives")
        label = self._post("/v1/labels", {"name": SECRET}, 201)
        upload = self._post("/v1/attachments", {"filename": "a.txt", "content_type": "text/plain", "size": 5}, 201)
        put = upload["upload"]
        assert owner.http.request(put["method"], put["url"], content=b"hello", headers=put["headers"]).is_success
        assert owner.http.post(f"/v1/attachments/{upload['id']}/complete", json={}).status_code == 200
        to = [{"name": "", "address": friend}]
        draft = {"to": to, "subject": SECRET, "text": SECRET, "attachment_ids": [upload["id"]]}
        saved = self._post("/v1/drafts", draft, 201)
        sent = self._post("/v1/messages", draft | {"undo_seconds": 3600}, 202)
        contact = self._post("/v1/contacts", {"name": SECRET, "addresses": [f"{SECRET}@elsewhere.test"]}, 201)
        identity = self._post("/v1/identities", {"name": SECRET, "address": owner.address}, 201)
        password = self._post("/v1/app-passwords", {"name": SECRET, "password": PASSWORD}, 201)
        message = owner.get(f"/v1/messages/{sent['message_id']}")
        self.ids = {
            "message_id": [owner.messages("INBOX")[0]["id"], sent["message_id"]],
            "thread_id": [owner.messages("INBOX")[0]["thread_id"], message["thread_id"]],
            "label_id": [label["id"]],
            "draft_id": [saved["id"]],
            "submission_id": [sent["submission_id"]],
            "attachment_id": [upload["id"], *(one["id"] for one in message["attachments"])],
            "contact_id": [contact["id"]],
            "identity_id": [identity["id"]],
            "upload_id": [upload["id"]],
            "app_password_id": [password["id"]],
            "session_id": [one["id"] for one in owner.get("/v1/sessions")["sessions"]],
        }

    def _post(self, path: str, body: Json, status: int) -> Json:
        answer = self.owner.http.post(path, json=body)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    def state(self) -> tuple[int, list[Json], list[Json]]:
        """What nobody else may change."""
        return self.owner.get("/v1/account")["head_seq"], self.owner.messages(), self.owner.get("/v1/labels")["labels"]


def routes(service: Service) -> list[tuple[str, str]]:
    """Method and path of every operation of the contract."""
    described = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()
    return [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]


def test_another_account_reaches_no_id_of_the_first_by_any_route(service: Service) -> None:
    ann, eve = (Person(service.url, f"{name}.isolated@example.test") for name in ("ann", "eve"))
    belongings = Belongings(service, ann, eve.address)
    before, asked = belongings.state(), 0
    for method, path in routes(service):
        for name in re.findall(r"\{(\w+)\}", path)[:1]:
            for one in belongings.ids.get(name, [""]):
                assert one, f"{method} {path}: nothing of this kind to ask for"
                answer = ask(eve, method, path, name, one, belongings)
                asked += 1
                none = f"x{one[1:][::-1]}"
                nothing = ask(eve, method, path, name, none, belongings)
                assert answer.status_code == (403 if path in SIGNED else 404), (method, path, answer.text)
                assert answer.status_code == nothing.status_code
                assert without_request(answer) == without_request(nothing).replace(none, one)
                assert SECRET not in answer.text
    assert asked >= 20
    assert belongings.state() == before


def ask(eve: Person, method: str, path: str, name: str, one: str, belongings: Belongings) -> httpx.Response:
    """The request with the first's ids in its path, and a body that the route takes."""
    filled = path.replace(f"{{{name}}}", one)
    for other, ids in belongings.ids.items():
        filled = filled.replace(f"{{{other}}}", ids[0])
    return eve.http.request(method, filled, json=BODIES.get((method, path), {}), headers={"If-Match": "1"})


def without_request(answer: httpx.Response) -> str:
    """What was answered, but for the id of its request, which no two share."""
    return answer.text.replace(answer.headers["x-request-id"], "")


SIGNED = {"/v1/uploads/{upload_id}"}
"""Not by whom one is, but by an address that was signed for one who is."""
BODIES: dict[tuple[str, str], Json] = {
    ("PATCH", "/v1/labels/{label_id}"): {"name": "mine"},
    ("PATCH", "/v1/identities/{identity_id}"): {"name": "mine"},
    ("PATCH", "/v1/contacts/{contact_id}"): {"name": "mine"},
    ("PATCH", "/v1/drafts/{draft_id}"): {"subject": "mine"},
}


def test_another_account_reaches_no_id_of_the_first_by_any_body_query_list_or_search(service: Service) -> None:
    ann, eve = (Person(service.url, f"{name}.closed@example.test") for name in ("ann", "eve"))
    belongings = Belongings(service, ann, eve.address)
    before, ids = belongings.state(), belongings.ids["message_id"]
    bodies = {
        "modify": {"add_keywords": ["mine"]},
        "delete": {},
        "snooze": {"until": f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"},
        "report": {"verdict": "spam"},
    }
    for action, body in bodies.items():
        answer = eve.http.post(f"/v1/messages/{action}", json={"ids": ids, **body})
        assert (answer.status_code, answer.json()["code"]) == (404, "message_unknown")
    stolen = {"to": [{"name": "", "address": eve.address}], "subject": "x", "text": "x"}
    for extra in ({"attachment_ids": belongings.ids["attachment_id"][:1]}, {"in_reply_to": ids[0]}):
        answer = eve.http.post("/v1/drafts", json=stolen | extra)
        assert answer.status_code == 404, answer.text
    label = belongings.ids["label_id"][0]
    for path in ("/v1/messages", "/v1/threads"):
        answer = eve.http.get(path, params={"label": label})
        assert answer.status_code == 404 or SECRET not in answer.text
    until(lambda: ann.get("/v1/search", q=SECRET)["messages"], within_s=30, what="the owner finds it")
    for query in (SECRET, f"label:{SECRET}", f"subject:{SECRET}", f"in:anywhere {SECRET} OR {SECRET}", "in:anywhere"):
        assert eve.get("/v1/search", q=query)["messages"] == []
    for path in ("/v1/messages", "/v1/threads", "/v1/labels", "/v1/drafts", "/v1/submissions", "/v1/contacts"):
        assert SECRET not in eve.http.get(path).text
    for path in ("/v1/sync", "/v1/snapshot", "/v1/counts", "/v1/sessions", "/v1/app-passwords", "/v1/account"):
        answer = eve.http.get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.text
    assert belongings.state() == before
