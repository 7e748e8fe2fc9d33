"""The id of a request: who names it, where it is shown."""

import re

import pytest

from gateways.http.request_ids import parent_of, request_id
from gateways.http.requests import Scope
from tests.http_house import House, Person

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def scope(**fields: str) -> Scope:
    return {"headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]}


def test_a_request_without_a_name_gets_a_new_one_and_keeps_it() -> None:
    given = scope()
    assert re.fullmatch("[0-9a-f]{32}", request_id(given))
    assert request_id(given) == request_id(given) != request_id(scope())


def test_the_clients_own_name_wins_then_its_trace() -> None:
    assert request_id(scope(x_request_id="r-1", traceparent=TRACEPARENT)) == "r-1"
    assert request_id(scope(traceparent=TRACEPARENT)) == TRACE
    assert parent_of(scope(traceparent=TRACEPARENT)) == (TRACE, SPAN)


@pytest.mark.parametrize("hostile", ["", "a b", "a\tb", "x" * 129, "a\r\nSet-Cookie: x", "é", "<script>", "\x1b[2J"])
def test_a_name_that_could_be_mistaken_for_something_else_is_passed_over(hostile: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request_id(scope(x_request_id=hostile)))


@pytest.mark.parametrize(
    "broken",
    [f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE[:-1]}-{SPAN}-01"],
)
def test_a_traceparent_that_the_recommendation_calls_invalid_is_passed_over(broken: str) -> None:
    assert request_id(scope(traceparent=broken)) != TRACE
    assert parent_of(scope(traceparent=broken)) is None


def test_answers_problems_and_streams_bear_it(house: House, ann: Person) -> None:
    own = {"X-Request-Id": "r-17"}
    assert ann.http.get("/v1/account", headers=own).headers["x-request-id"] == "r-17"
    assert ann.http.get("/v1/sync", headers=own).headers["x-request-id"] == "r-17"
    assert ann.http.head("/v1/account", headers=own).headers["x-request-id"] == "r-17"
    with ann.http.stream("GET", "/v1/sync", headers={"Accept": "text/event-stream", **own}) as live:
        assert live.headers["x-request-id"] == "r-17"
    for path, status in (("/v1/nowhere", 404), ("/v1/messages/none", 404)):
        answer = ann.http.get(path, headers=own)
        assert (answer.status_code, answer.json()["instance"]) == (status, "/requests/r-17")
        assert answer.headers["x-request-id"] == "r-17"
    traced = house.http.get("/healthz", headers={"traceparent": TRACEPARENT})
    assert traced.headers.get_list("x-request-id") == [TRACE]


def test_two_requests_of_one_connection_are_told_apart(ann: Person) -> None:
    found = {ann.http.get("/v1/account").headers["x-request-id"] for _ in range(3)}
    assert len(found) == 3
