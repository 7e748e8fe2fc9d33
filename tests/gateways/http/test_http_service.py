"""The service itself: what it says of itself, its errors and bounds, searching."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from domain.events import EVENT_TYPES
from gateways.http.event_schema import events_page, public_type
from infra.delivery_parts import DeliveryParts
from infra.search_view import SearchView
from infra.tantivy_search.live import open_live
from infra.view_states import Telling
from tests.conftest import temporary_data_folder
from tests.http_house import House, Person, mail, running


@pytest.fixture
def strict_house(database_url: str) -> Iterator[House]:
    """A service that lets nobody ask often."""
    with (
        temporary_data_folder() as folder,
        running(
            database_url,
            folder,
            LEDGERMAIL_ACCOUNT_REQUESTS_PER_SECOND="1",
            LEDGERMAIL_ADDRESS_REQUESTS_PER_SECOND="3",
        ) as found,
    ):
        yield found


class Ready:
    """A follower that is."""

    not_ready = None


def test_a_process_that_is_to_stop_says_so_first_and_goes_on_answering(strict_house: House) -> None:
    strict_house.app.parts.draining.set()
    answer = strict_house.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "draining", "failing": []})
    assert strict_house.http.get("/healthz").status_code == 200
    assert strict_house.http.get("/v1/account").status_code == 401


def test_it_lives_and_is_ready_and_measures(house: House, ann: Person) -> None:
    ann.get("/v1/sync")
    assert house.http.get("/healthz").json() == {"status": "ok"}
    nobody_follows = {"status": "degraded", "failing": ["view contacts", "view search", "view spam"]}
    assert house.http.get("/readyz").json() == nobody_follows
    Telling(house.parts.connect, "f", {"contacts": Ready(), "search": Ready(), "spam": Ready()}).tell()
    assert house.http.get("/readyz").json() == {"status": "ready", "failing": []}
    text = house.http.get("/metrics").text
    for name in ("queue_records", "dead_letters", "append_seconds_count", "sync_seconds_count", "delivery_seconds_sum"):
        assert f"\nledgermail_{name} " in text
    house.follow_contacts()
    assert 'ledgermail_follower_lag_events{view="contacts"} 0.0' in house.http.get("/metrics").text


def test_it_describes_itself(house: House) -> None:
    description = house.http.get("/openapi.json").json()
    for path in ("/v1/sync", "/v1/messages", "/v1/drafts/{draft_id}/send", "/v1/search", "/v1/uploads/{upload_id}"):
        assert path in description["paths"]
    page = house.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_the_page_of_events_is_made_of_the_types() -> None:
    written = Path(__file__).parents[3] / "docs" / "events.md"
    assert written.read_text() == events_page(), "python -m gateways.http.event_schema > docs/events.md"


def test_every_event_that_is_sent_has_the_shape_that_its_schema_tells(house: House, ann: Person, bob: Person) -> None:
    ann.bring(mail())
    ann.post("/v1/messages", {"to": [{"address": bob.address}], "text": "Hi"}, status=202)
    types = {kind.TOPIC: public_type(kind) for kind in EVENT_TYPES}
    schema = house.http.get("/v1/events/schema").json()
    assert {one["properties"]["type"]["const"] for one in schema["anyOf"][:-1]} == types.keys()
    for event in ann.get("/v1/sync")["events"]:
        msgspec.convert(event["data"], types[event["type"]])


def test_every_answer_has_safe_headers(house: House, ann: Person) -> None:
    for answer in (house.http.get("/healthz"), ann.http.get("/v1/messages"), house.http.get("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_unknown_routes_and_methods_are_problems(house: House) -> None:
    for method, path, expected in (
        ("GET", "/v1/nothing", (404, "route_unknown")),
        ("GET", "/v1/messages/a/b/c", (404, "route_unknown")),
        ("PUT", "/v1/messages", (405, "method_not_allowed")),
        ("OPTIONS", "/v1/messages", (405, "method_not_allowed")),
        ("GET", "/v1/messages", (401, "token_invalid")),
        ("GET", "/v1/messages/%00", (404, "message_unknown")),
    ):
        answer = house.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == expected
        assert answer.headers["content-type"] == "application/problem+json"
    assert house.http.put("/v1/messages").headers["allow"] == "GET, HEAD, POST"


def test_head_is_get_without_a_body(ann: Person) -> None:
    answer = ann.http.head("/v1/messages")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(ann.http.get("/v1/messages").content)


def test_bodies_are_bounded_and_must_be_json(ann: Person) -> None:
    path = "/v1/messages/modify"
    as_json = {"Content-Type": "application/json"}
    deep = b"[" * 100_000 + b"]" * 100_000
    for content, headers, expected in (
        (b"x" * (2**20 + 1), as_json, (413, "body_too_large")),
        (iter([b"x" * 2**19] * 3), as_json, (413, "body_too_large")),
        (b"{", as_json, (400, "json_invalid")),
        (b'{"ids": ["\xff"]}', as_json, (400, "json_invalid")),
        (b'{"x": %b, "ids": ["e1"]}' % deep, as_json, (400, "json_invalid")),
        (b"", as_json, (422, "body_invalid")),
        (b"ids=e1", {"Content-Type": "application/x-www-form-urlencoded"}, (415, "content_type_unsupported")),
    ):
        assert ann.refused("POST", path, content=content, headers=headers) == expected


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(house: House, ann: Person) -> None:
    host, port = house.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert house.http.get("/healthz").status_code == 200


def test_gzip_is_given_where_it_is_asked_for(ann: Person) -> None:
    for number in range(10):
        ann.bring(mail(f"Number {number}"))
    plain = ann.http.get("/v1/messages", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with ann.http.stream("GET", "/v1/messages", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content


def test_too_many_requests_of_an_account_or_an_address_wait(strict_house: House) -> None:
    http = strict_house.http
    answers = [http.get("/v1/messages") for _ in range(14)]
    assert {answer.status_code for answer in answers} == {401, 429}
    last = answers[-1]
    assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(last.headers["retry-after"]) <= 4
    assert http.get("/healthz").status_code == 200


def _search(house: House) -> None:
    index = open_live(house.parts.settings.data / "search")
    try:
        house.follow(SearchView(index, DeliveryParts(house.parts).extracts.extract))
    finally:
        index.close()


def test_a_search_finds_and_marks_what_one_may_see(house: House, ann: Person, bob: Person) -> None:
    ann.bring(mail("The <b>quarterly</b> report", body="Figures inside"))
    other = ann.bring(mail("Lunch"))
    bob.bring(mail("Bob's quarterly report"))
    _search(house)
    found = ann.get("/v1/search", q="quarterly", min_seq=ann.head())
    (message,) = found["messages"]
    assert message["highlights"]["subject"] == "The &lt;b&gt;<mark>quarterly</mark>&lt;/b&gt; report"
    assert (found["total"], found["cursor"], found["as_of_seq"]) == (1, None, ann.head())
    assert {m["id"] for m in ann.get("/v1/search", q="label:inbox")["messages"]} == {message["id"], other}
    label = ann.post("/v1/labels", {"name": "Own Label"}, status=201)["id"]
    ann.post("/v1/messages/modify", {"ids": [other], "add_labels": [label]})
    _search(house)
    assert [m["id"] for m in ann.get("/v1/search", q='label:"own label"')["messages"]] == [other]


def test_a_search_behind_says_so_and_one_that_cannot_be_read_where(house: House, ann: Person) -> None:
    _search(house)
    ann.bring(mail("News"))
    answer = ann.http.get("/v1/search", params={"q": "news", "min_seq": ann.head()})
    assert (answer.status_code, answer.json()["code"]) == (503, "behind")
    assert "retry-after" in answer.headers
    answer = ann.http.get("/v1/search", params={"q": 'a "b'})
    assert (answer.status_code, answer.json()["code"], answer.json()["position"]) == (422, "query_invalid", 2)
    assert ann.refused("GET", "/v1/search?q=a&cursor=x") == (422, "cursor_invalid")
    assert ann.refused("GET", "/v1/search?q=a%00b")[0] == 422


def test_what_nobody_foresaw_shows_no_traceback(house: House) -> None:
    answer = house.http.get("/v1/messages?limit=1&limit=2&" + "x=1&" * 200)
    assert answer.status_code in (401, 422)
    assert "Traceback" not in json.dumps(answer.json())
