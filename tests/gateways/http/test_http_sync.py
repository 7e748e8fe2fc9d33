"""`/sync` in every form, against a running service."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.http_house import House, Person, mail


def test_the_stream_begins_with_the_opening_and_has_no_gaps(ann: Person) -> None:
    ann.bring(mail("One"))
    page = ann.get("/v1/sync")
    assert [event["seq"] for event in page["events"]] == list(range(1, page["head"] + 1))
    assert page["events"][0]["type"] == "MailboxOpened"
    assert page["next"] == page["head"]
    assert page["more"] is False


def test_the_same_is_served_at_the_root(ann: Person) -> None:
    assert ann.get("/sync", since=1) == ann.get("/v1/sync", since=1)


def test_pages_of_one_event_make_up_the_whole_stream(ann: Person) -> None:
    ann.bring(mail("One"))
    ann.bring(mail("Two"))
    events, since, more = [], 0, True
    while more:
        page = ann.get("/v1/sync", since=since, limit=1)
        events += page["events"]
        since, more = page["next"], page["more"]
    assert events == ann.get("/v1/sync")["events"]


def test_nothing_new_is_an_empty_page_that_stays_where_it_is(ann: Person) -> None:
    head = ann.head()
    page = ann.get("/v1/sync", since=head)
    assert (page["events"], page["next"], page["more"]) == ([], head, False)


@pytest.mark.parametrize("query", ["since=-1", "since=x", "limit=0", "limit=1001", "wait=61", "hash=abc", "since=1.5"])
def test_a_query_that_cannot_be_is_refused(ann: Person, query: str) -> None:
    assert ann.refused("GET", f"/v1/sync?{query}") == (422, "parameter_invalid")


def test_a_position_above_the_head_belongs_to_another_history(ann: Person) -> None:
    for form in ("", "&fold=true", "&wait=5"):
        assert ann.refused("GET", f"/v1/sync?since={ann.head() + 1}{form}") == (409, "sequence_ahead")


def test_another_hash_at_the_position_belongs_to_another_history(ann: Person) -> None:
    page = ann.get("/v1/sync")
    assert ann.get("/v1/sync", since=page["next"], hash=page["next_hash"])["events"] == []
    ann.bring(mail())
    assert len(ann.get("/v1/sync", since=page["next"], hash=page["next_hash"])["events"]) == 1
    for form in ("", "&fold=true"):
        path = f"/v1/sync?since={page['next']}&hash={'0' * 64}{form}"
        assert ann.refused("GET", path) == (409, "history_diverged")


def test_min_seq_is_reached_or_lies_above_the_head(ann: Person) -> None:
    head = ann.head()
    for path in ("/v1/messages", "/v1/sync", "/v1/labels", "/v1/counts", "/v1/account", "/v1/threads"):
        assert ann.http.get(path, params={"min_seq": head}).status_code == 200
        assert ann.refused("GET", f"{path}?min_seq={head + 1}") == (409, "sequence_ahead")
        assert ann.refused("GET", f"{path}?min_seq=-1") == (422, "parameter_invalid")


def _meanwhile(house: House, watching: Person, done: Callable[[], Any]) -> None:
    """Do it as soon as somebody waits."""

    def act() -> None:
        deadline = time.monotonic() + 10
        while house.app.parts.waiters.count == 0 and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        done()

    threading.Thread(target=act, daemon=True).start()


def test_a_waiting_call_is_answered_as_soon_as_something_is_new(house: House, ann: Person) -> None:
    head = ann.head()
    other = house.sign_in(ann.address)
    head = ann.head()
    _meanwhile(house, ann, lambda: other.bring(mail("News")))
    began = time.monotonic()
    page = ann.get("/v1/sync", since=head, wait=30)
    assert time.monotonic() - began < 5
    assert [event["type"] for event in page["events"]] == ["MessageDelivered"]
    assert house.app.parts.waiters.count == 0


def test_a_waiting_call_folds_too(house: House, ann: Person) -> None:
    other = house.sign_in(ann.address)
    head = ann.head()
    _meanwhile(house, ann, lambda: other.bring(mail("News")))
    page = ann.get("/v1/sync", since=head, wait=30, fold="true")
    assert [message["subject"] for message in page["messages"]["changed"]] == ["News"]


def test_a_call_that_waited_in_vain_is_answered_empty(ann: Person) -> None:
    head = ann.head()
    page = ann.get("/v1/sync", since=head, wait=0.05)
    assert (page["events"], page["next"]) == ([], head)


def test_whoever_leaves_is_no_longer_watched_for(house: House, ann: Person) -> None:
    head = ann.head()
    with pytest.raises(httpx.ReadTimeout):
        ann.http.get("/v1/sync", params={"since": head, "wait": 30}, timeout=0.3)
    deadline = time.monotonic() + 5
    while house.app.parts.waiters.count and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert house.app.parts.waiters.count == 0


def _frames(answer: httpx.Response, wanted: int) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    seq = 0
    for line in answer.iter_lines():
        if line.startswith("id: "):
            seq = int(line[4:])
        elif line.startswith("data: "):
            found.append((seq, msgspec.json.decode(line[6:])))
            if len(found) == wanted:
                break
    return found


def test_server_sent_events_are_those_of_pages_and_go_on_live(house: House, ann: Person) -> None:
    other = house.sign_in(ann.address)
    ann.bring(mail("Before"))
    head = ann.head()
    _meanwhile(house, ann, lambda: other.bring(mail("After")))
    with ann.http.stream("GET", "/v1/sync", headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = _frames(answer, head + 1)
    assert [event for _, event in frames] == ann.get("/v1/sync", limit=head + 1)["events"]
    assert [seq for seq, _ in frames] == [event["seq"] for _, event in frames]


def test_a_stream_resumes_after_its_last_event(ann: Person) -> None:
    ann.bring(mail("One"))
    head = ann.head()
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(head - 1)}
    with ann.http.stream("GET", "/v1/sync?since=0", headers=headers) as answer:
        assert _frames(answer, 1)[0][0] == head
    refused = ann.http.get("/v1/sync", headers=headers | {"Last-Event-ID": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "parameter_invalid")
    ahead = ann.http.get("/v1/sync", headers=headers | {"Last-Event-ID": str(head + 1)})
    assert (ahead.status_code, ahead.json()["code"]) == (409, "sequence_ahead")


def test_a_websocket_carries_the_same_events(house: House, ann: Person) -> None:
    address = house.url.replace("http://", "ws://") + "v1/ws?since=0"
    other = house.sign_in(ann.address)
    head = ann.head()
    _meanwhile(house, ann, lambda: other.bring(mail("After")))
    with connect(address, additional_headers={"Authorization": f"Bearer {ann.token}"}, proxy=None) as live:
        events = [msgspec.json.decode(live.recv(timeout=10)) for _ in range(head + 1)]
    assert events == ann.get("/v1/sync", limit=head + 1)["events"]


def test_a_browser_gives_its_token_as_a_subprotocol_or_in_the_query(house: House, ann: Person) -> None:
    address = house.url.replace("http://", "ws://") + "v1/ws"
    with connect(address, subprotocols=["access_token", ann.token], proxy=None) as live:
        assert live.subprotocol == "access_token"
        assert msgspec.json.decode(live.recv(timeout=10))["seq"] == 1
    with connect(f"{address}?access_token={ann.token}", proxy=None) as live:
        assert msgspec.json.decode(live.recv(timeout=10))["seq"] == 1


def test_a_websocket_without_a_token_is_refused_before_it_opens(house: House) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(house.url.replace("http://", "ws://") + "v1/ws", proxy=None):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("target", "token", "status", "code"),
    [
        ("v1/ws", "", 401, "token_invalid"),
        ("v1/ws", "lm_none", 401, "token_invalid"),
        ("v1/ws?since=1000000", "own", 409, "sequence_ahead"),
        ("v1/ws?since=x", "own", 422, "parameter_invalid"),
        ("v1/ws?access_token=%00", "own", 422, "parameter_invalid"),
        ("v1/sync", "own", 404, "route_unknown"),
        ("v1/messages", "", 404, "route_unknown"),
        ("v1/nothing", "own", 404, "route_unknown"),
    ],
)
def test_a_websocket_is_refused_by_a_problem_and_not_a_word_in_the_log(
    house: House, ann: Person, caplog: pytest.LogCaptureFixture, target: str, token: str, status: int, code: str
) -> None:
    fields = {"Authorization": f"Bearer {ann.token if token == 'own' else token}"} if token else {}
    address = house.url.replace("http://", "ws://") + target
    with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=fields, proxy=None):
        pass
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert msgspec.json.decode(response.body or b"")["code"] == code
    assert house.http.get("/healthz").status_code == 200  # answered after the refusal was done with
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_websocket_that_cannot_go_on_is_closed(house: House, ann: Person) -> None:
    since = ann.head()
    address = house.url.replace("http://", "ws://") + f"v1/ws?since={since}&access_token={ann.token}"
    with connect(address, proxy=None) as live:
        with psycopg.connect(house.parts.conninfo, autocommit=True) as connection:
            connection.execute("DELETE FROM mailboxes WHERE mailbox_id = %s", (ann.mailbox_id,))
        house.app.parts.waiters.tell_from_thread([(ann.mailbox_id, since + 1)])
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "mailbox_unknown")


def test_a_fold_shows_what_the_queries_show(ann: Person) -> None:
    kept, gone = ann.bring(mail("Kept")), ann.bring(mail("Gone"))
    ann.post("/v1/messages/modify", {"ids": [kept], "add_keywords": ["$seen"]})
    ann.post("/v1/messages/delete", {"ids": [gone]})
    ann.post("/v1/messages/delete", {"ids": [gone]})
    folded = ann.get("/v1/sync", fold="true")
    assert folded["messages"]["changed"] == ann.get("/v1/messages")["messages"]
    assert folded["messages"]["removed"] == [gone]
    assert folded["labels"]["changed"] == ann.get("/v1/labels")["labels"]
    assert folded["counts"] == ann.get("/v1/counts")
    assert folded["next_hash"] == ann.get("/v1/sync")["next_hash"]


def test_only_the_last_page_of_a_fold_has_counts(ann: Person) -> None:
    for number in range(3):
        ann.bring(mail(f"Number {number}"))
    first = ann.get("/v1/sync", fold="true", limit=1)
    assert first["more"] is True
    assert "counts" not in first
    assert ann.get("/v1/sync", since=first["next"], hash=first["next_hash"], fold="true")["more"] is False


def test_a_fold_is_no_stream(ann: Person) -> None:
    answer = ann.http.get("/v1/sync?fold=true", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")


def test_a_snapshot_in_pages_holds_every_message_once(ann: Person) -> None:
    ids = [ann.bring(mail(f"Number {number}")) for number in range(5)]
    head = ann.head()
    first = ann.get("/v1/snapshot", limit=2)
    assert first["labels"] == ann.get("/v1/labels")["labels"]
    assert first["counts"] == ann.get("/v1/counts")
    found, cursor = first["messages"], first["cursor"]
    ann.post("/v1/messages/modify", {"ids": [ids[0]], "add_keywords": ["$flagged"]})
    while cursor:
        page = ann.get("/v1/snapshot", limit=2, cursor=cursor)
        assert "labels" not in page
        assert page["seq"] == first["seq"] == head
        found, cursor = found + page["messages"], page["cursor"]
    assert [message["id"] for message in found] == list(reversed(ids))
    later = ann.get("/v1/sync", since=head)
    assert [event["data"]["message_ids"] for event in later["events"]] == [[ids[0]]]


def test_two_people_see_their_own_streams(ann: Person, bob: Person) -> None:
    ann.bring(mail("For Ann alone"))
    assert all(event["type"] != "MessageDelivered" for event in bob.get("/v1/sync")["events"])


def test_a_token_that_ended_opens_no_stream(ann: Person) -> None:
    assert ann.http.delete("/v1/sessions/current").status_code == 204
    answer = ann.http.get("/v1/sync")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert answer.headers["www-authenticate"].startswith("Bearer")
