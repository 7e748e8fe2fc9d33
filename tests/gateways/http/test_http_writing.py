"""Drafts, sending, submissions and attachments over HTTP."""

import hashlib
import time
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs

import pytest

from domain.times import DAY_MS, unix_ms
from gateways.http.signed_addresses import HOUR_S, SAME_FOR_S
from infra.blob_references import names_held
from infra.uploads import PostgresUploads, expire_uploads
from tests.http_house import House, Person, mail

ELSEWHERE = {"name": "Dora", "address": "dora@elsewhere.test"}


def _draft(person: Person, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = person.post("/v1/drafts", {"subject": "Plans", "text": "Hi"} | fields, status=201)
    return made


def _patch(person: Person, draft: dict[str, Any], revision: Any, **fields: Any) -> Any:
    return person.http.patch(f"/v1/drafts/{draft['id']}", json=fields, headers={"If-Match": str(revision)})


def test_a_draft_says_what_was_written_and_is_a_message_in_drafts(ann: Person) -> None:
    people = {"to": [ELSEWHERE], "cc": [{"name": "Ümit", "address": "u@elsewhere.test"}], "bcc": [ELSEWHERE]}
    made = _draft(ann, html="<p>Hi <b>there</b></p>", **people)
    read = ann.get(f"/v1/drafts/{made['id']}")
    assert {name: read[name] for name in people} == people
    assert (read["subject"], read["text"], read["html"]) == ("Plans", "Hi", "<p>Hi <b>there</b></p>")
    assert (read["revision"], made["revision"], made["seq"]) == (1, 1, ann.head())
    (message,) = ann.get("/v1/messages", label="DRAFTS")["messages"]
    assert message["id"] == read["message_id"]
    assert message["keywords"] == ["$draft", "$seen"]
    (listed,) = ann.get("/v1/drafts")["drafts"]
    assert (listed["id"], listed["message"]["id"]) == (made["id"], message["id"])


def test_a_draft_loads_nothing_remote_without_consent_and_loses_nothing(ann: Person) -> None:
    written = '<p onclick="x()">Look: <img src="http://tracker.example/x.png" alt="x"></p>'
    path = f"/v1/drafts/{_draft(ann, html=written)['id']}"
    read = ann.get(path)
    assert "tracker.example" not in read["html"]
    assert (read["html_source"], read["blocked_remote"]) == (written, True)
    consented = ann.get(path, remote="true")
    assert 'src="http://tracker.example/x.png"' in consented["html"]
    assert "onclick" not in consented["html"]
    assert (consented["html_source"], consented["blocked_remote"]) == (written, False)
    changed = ann.http.patch(path, json={"subject": "Newer"}, headers={"If-Match": "1"})
    assert changed.status_code == 200
    assert ann.get(path)["html_source"] == written
    stale = ann.http.patch(path, json={"subject": "Mine"}, headers={"If-Match": "1"}).json()["draft"]
    assert "tracker.example" not in stale["html"]
    assert stale["html_source"] == written


def test_a_draft_without_html_has_no_source_of_it(ann: Person) -> None:
    read = ann.get(f"/v1/drafts/{_draft(ann)['id']}")
    assert (read["html"], read["html_source"], read["blocked_remote"]) == (None, None, False)


def test_a_change_keeps_what_it_does_not_name(ann: Person) -> None:
    made = _draft(ann, to=[ELSEWHERE], html="<p>Hi</p>")
    for revision, subject in ((1, "Newer"), ('"2"', "Newest")):
        answer = _patch(ann, made, revision, subject=subject)
        assert answer.status_code == 200, answer.text
    read = ann.get(f"/v1/drafts/{made['id']}")
    assert (read["revision"], read["subject"], read["text"]) == (3, "Newest", "Hi")
    assert (read["to"], read["html"]) == ([ELSEWHERE], "<p>Hi</p>")
    assert len(ann.get("/v1/messages", label="DRAFTS")["messages"]) == 1


def test_a_change_of_an_older_revision_hands_back_the_newer(ann: Person) -> None:
    made = _draft(ann)
    _patch(ann, made, 1, subject="Theirs")
    answer = _patch(ann, made, 1, subject="Mine")
    assert (answer.status_code, answer.json()["code"]) == (412, "draft_changed")
    assert (answer.json()["draft"]["subject"], answer.json()["revision"]) == ("Theirs", 2)
    assert ann.refused("PATCH", f"/v1/drafts/{made['id']}", json={}) == (428, "revision_required")
    assert _patch(ann, made, "x").json()["code"] == "parameter_invalid"


def test_a_draft_is_begun_once_for_a_key(ann: Person) -> None:
    first = ann.post("/v1/drafts", {"subject": "Once"}, status=201, **{"Idempotency-Key": "d"})
    assert ann.post("/v1/drafts", {"subject": "Once"}, status=201, **{"Idempotency-Key": "d"}) == first
    assert len(ann.get("/v1/drafts")["drafts"]) == 1
    answer = ann.http.post("/v1/drafts", json={"subject": "Other"}, headers={"Idempotency-Key": "d"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_drafts_are_listed_in_pages_and_thrown_away(ann: Person) -> None:
    ids = [_draft(ann, subject=f"N{n}")["id"] for n in range(3)]
    first = ann.get("/v1/drafts", limit=2)
    rest = ann.get("/v1/drafts", limit=2, cursor=first["cursor"])
    assert [one["id"] for one in first["drafts"] + rest["drafts"]] == list(reversed(ids))
    assert rest["cursor"] is None
    assert ann.http.delete(f"/v1/drafts/{ids[0]}").json() == {"seq": ann.head()}
    assert ann.refused("GET", f"/v1/drafts/{ids[0]}") == (404, "draft_unknown")
    assert ann.refused("DELETE", f"/v1/drafts/{ids[0]}") == (404, "draft_unknown")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"subject": "a\nBcc: x@y.test"}, (422, "composition_invalid")),
        ({"to": [{"address": "no address"}]}, (422, "composition_invalid")),
        ({"to": [{"name": "x\r\nBcc: a", "address": "a@b.test"}]}, (422, "composition_invalid")),
        ({"to": ["a@b.test"]}, (422, "body_invalid")),
        ({"text": "a\0b"}, (422, "body_invalid")),
        ({"in_reply_to": "e0"}, (404, "message_unknown")),
        ({"attachment_ids": ["u0"]}, (404, "attachment_unknown")),
        ({"identity_id": "i0"}, (404, "identity_unknown")),
    ],
)
def test_a_draft_that_cannot_be_written_changes_nothing(
    ann: Person, fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    head = ann.head()
    assert ann.refused("POST", "/v1/drafts", json=fields) == expected
    assert ann.head() == head


def test_an_answer_joins_the_conversation(ann: Person) -> None:
    asked = ann.bring(mail("Question", Message_ID="<q@x.test>", References="<root@x.test>"))
    made = _draft(ann, subject="Re: Question", in_reply_to=asked)
    read = ann.get(f"/v1/drafts/{made['id']}")
    assert read["in_reply_to"] == "q@x.test"
    (thread,) = ann.get("/v1/threads")["threads"]
    assert thread["total"] == 2
    assert _patch(ann, made, 1, in_reply_to=read["in_reply_to"], text="More").status_code == 200
    raw = message_from_bytes(ann.http.get(f"/v1/messages/{_message(ann, made)}/raw").content)
    assert raw["References"] == "<root@x.test> <q@x.test>"


def _message(person: Person, draft: dict[str, Any]) -> str:
    return str(person.get(f"/v1/drafts/{draft['id']}")["message_id"])


def test_a_draft_is_sent_once_and_arrives(house: House, ann: Person, bob: Person) -> None:
    to = [{"name": "Bob", "address": bob.address}]
    made = _draft(ann, to=to, bcc=[ELSEWHERE])
    path = f"/v1/drafts/{made['id']}/send"
    sent = ann.post(path, {"undo_seconds": 0}, status=202, **{"Idempotency-Key": "s"})
    assert ann.post(path, {"undo_seconds": 0}, status=202, **{"Idempotency-Key": "s"}) == sent
    assert ann.refused("POST", path, json={}) == (404, "draft_unknown")
    shown = ann.get(f"/v1/submissions/{sent['submission_id']}")
    assert [one["address"] for one in shown["recipients"]] == [bob.address, "dora@elsewhere.test"]
    assert (shown["status"], shown["message_id"]) == ("queued", sent["message_id"])
    assert ann.get("/v1/messages", label="SENT")["messages"][0]["id"] == sent["message_id"]
    assert ann.get("/v1/drafts")["drafts"] == []
    _send_all(house)
    (arrived,) = bob.get("/v1/messages", label="INBOX")["messages"]
    assert arrived["subject"] == "Plans"
    assert b"dora@" not in bob.http.get(f"/v1/messages/{arrived['id']}/raw").content
    assert b"\r\nBcc:" in ann.http.get(f"/v1/messages/{sent['message_id']}/raw").content
    statuses = [one["status"] for one in ann.get(f"/v1/submissions/{sent['submission_id']}")["recipients"]]
    assert statuses == ["delivered", "queued"]
    assert ann.refused("POST", f"/v1/submissions/{sent['submission_id']}/undo") == (409, "already_sent")


def _send_all(house: House) -> None:
    from infra.delivery_parts import DeliveryParts

    DeliveryParts(house.parts).sender().run_due()
    house.deliver_all()


def test_a_received_message_has_its_trace_block_before_its_bytes(house: House, ann: Person, bob: Person) -> None:
    ann.post("/v1/messages", {"to": [{"address": bob.address}], "text": "Hi", "undo_seconds": 0}, status=202)
    _send_all(house)
    (arrived,) = bob.get("/v1/messages")["messages"]
    raw = bob.http.get(f"/v1/messages/{arrived['id']}/raw").content
    assert raw.startswith(b"Return-Path: <" + ann.address.encode())
    assert len(raw) == arrived["size"]
    names = [field["name"] for field in bob.get(f"/v1/messages/{arrived['id']}")["headers"]]
    assert names[:3] == ["Return-Path", "Delivered-To", "Received"]


def test_sending_in_one_step_can_be_called_back_as_a_draft(ann: Person) -> None:
    body = {"to": [ELSEWHERE], "subject": "Oops", "text": "Hi", "undo_seconds": 60, "stream": "personal"}
    sent = ann.post("/v1/messages", body, status=202, **{"Idempotency-Key": "m"})
    assert ann.post("/v1/messages", body, status=202, **{"Idempotency-Key": "m"}) == sent
    undone = ann.post(f"/v1/submissions/{sent['submission_id']}/undo")
    assert undone == {"seq": ann.head(), "draft_id": undone["draft_id"]}
    assert ann.get(f"/v1/drafts/{undone['draft_id']}")["subject"] == "Oops"
    assert ann.refused("POST", f"/v1/submissions/{sent['submission_id']}/undo") == (409, "already_sent")
    (listed,) = ann.get("/v1/submissions")["submissions"]
    assert listed["status"] == "undone"
    assert ann.refused("GET", "/v1/submissions/s0") == (404, "submission_unknown")


def test_the_submissions_of_one_message_are_found_by_its_id(ann: Person, bob: Person) -> None:
    first, second = (ann.post("/v1/messages", {"to": [ELSEWHERE], "text": text}, status=202) for text in ("1", "2"))
    messages = {one["id"]: one["message_id"] for one in ann.get("/v1/submissions")["submissions"]}
    wanted = messages[first["submission_id"]]
    found = ann.get("/v1/submissions", message_id=wanted)["submissions"]
    assert [one["id"] for one in found] == [first["submission_id"]]
    assert second["submission_id"] in messages
    assert bob.get("/v1/submissions", message_id=wanted)["submissions"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (422, "recipients_invalid")),
        ({"to": [{"address": "a@[192.0.2.1]"}]}, (422, "recipients_invalid")),
        ({"to": [ELSEWHERE], "send_at": "later"}, (422, "body_invalid")),
        ({"to": [ELSEWHERE], "send_at": "9999-01-01T00:00:00Z"}, (422, "body_invalid")),
        ({"to": [ELSEWHERE], "undo_seconds": 3601}, (422, "body_invalid")),
        ({"to": [ELSEWHERE], "stream": "spam"}, (422, "body_invalid")),
    ],
)
def test_what_cannot_be_sent_is_refused(ann: Person, fields: dict[str, Any], expected: tuple[int, str]) -> None:
    assert ann.refused("POST", "/v1/messages", json=fields) == expected


def test_too_many_messages_wait(ann: Person) -> None:
    for _ in range(25):
        ann.post("/v1/messages", {"to": [ELSEWHERE], "text": "Hi"}, status=202)
    answer = ann.http.post("/v1/messages", json={"to": [ELSEWHERE], "text": "Hi"})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_one_is_sent_as_an_identity_of_the_account(ann: Person) -> None:
    tagged = ann.address.replace("@", "+sales@")
    made = ann.post("/v1/identities", {"name": "Sales", "address": tagged, "reply_to": "r@x.test"}, status=201)
    draft = _draft(ann, identity_id=made["id"])
    raw = message_from_bytes(ann.http.get(f"/v1/messages/{_message(ann, draft)}/raw").content)
    assert (raw["From"], raw["Reply-To"]) == (f"Sales <{tagged}>", "r@x.test")
    foreign = {"name": "Boss", "address": "boss@example.test"}
    assert ann.refused("POST", "/v1/identities", json=foreign) == (422, "identity_invalid")
    assert ann.http.patch(f"/v1/identities/{made['id']}", json={"name": "Shop"}).status_code == 200
    assert ann.get("/v1/identities")["identities"][0]["name"] == "Shop"
    assert ann.http.delete(f"/v1/identities/{made['id']}").status_code == 200
    assert ann.refused("DELETE", f"/v1/identities/{made['id']}") == (404, "identity_unknown")


def _upload(person: Person, content: bytes, **fields: Any) -> dict[str, Any]:
    asked = {"filename": "plan.pdf", "content_type": "application/pdf", "size": len(content)} | fields
    announced: dict[str, Any] = person.post("/v1/attachments", asked, status=201)
    return announced


def test_a_file_is_announced_sent_completed_and_attached(house: House, ann: Person) -> None:
    content = b"%PDF" + bytes(range(256)) * 400
    announced = _upload(ann, content)
    upload = announced["upload"]
    completing = f"/v1/attachments/{announced['id']}/complete"
    assert ann.refused("POST", completing) == (409, "upload_incomplete")
    put = house.http.request(upload["method"], upload["url"], headers=upload["headers"], content=content)
    assert put.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert ann.post(completing) == {"scan": "unscreened"}
    draft = _draft(ann, attachment_ids=[announced["id"]])
    read = ann.get(f"/v1/drafts/{draft['id']}")
    (attached,) = read["attachments"]
    assert (attached["filename"], attached["size"]) == ("plan.pdf", len(content))
    assert house.http.get(attached["url"]).content == content
    assert _patch(ann, draft, 1, subject="Kept", attachment_ids=[attached["id"]]).status_code == 200
    assert len(ann.get(f"/v1/drafts/{draft['id']}")["attachments"]) == 1
    assert _patch(ann, draft, 2, attachment_ids=[]).status_code == 200
    assert ann.get(f"/v1/drafts/{draft['id']}")["attachments"] == []


def test_a_signed_address_says_when_it_ends_within_the_hour(ann: Person) -> None:
    began = int(time.time())
    upload = _upload(ann, b"12345")["upload"]
    attached = _upload(ann, b"12345")
    ann.http.put(attached["upload"]["url"], content=b"12345")
    ann.post(f"/v1/attachments/{attached['id']}/complete")
    draft = _draft(ann, attachment_ids=[attached["id"]])
    (shown,) = ann.get(f"/v1/drafts/{draft['id']}")["attachments"]
    expiries = [int(parse_qs(one["url"].partition("?")[2])["expires"][0]) for one in (upload, shown)]
    assert expiries[0] * 1000 == unix_ms(upload["expires_at"])
    for expires in expiries:
        assert began + HOUR_S - SAME_FOR_S < expires <= int(time.time()) + HOUR_S


def test_what_one_has_already_need_not_travel_but_anothers_must(ann: Person, bob: Person) -> None:
    content = b"only Ann has this" * 10
    announced = _upload(ann, content)
    ann.http.put(announced["upload"]["url"], content=content)
    digest = hashlib.sha256(content).hexdigest()
    known = _upload(ann, content, sha256=digest)
    assert known["upload"] is None
    assert _draft(ann, attachment_ids=[known["id"]])["revision"] == 1
    assert _upload(bob, content, sha256=digest)["upload"] is not None
    assert bob.refused("POST", f"/v1/attachments/{known['id']}/complete") == (404, "attachment_unknown")
    assert bob.refused("POST", "/v1/drafts", json={"attachment_ids": [known["id"]]}) == (404, "attachment_unknown")


def test_bytes_other_than_announced_are_refused(house: House, ann: Person) -> None:
    announced = _upload(ann, b"12345", sha256="0" * 64)
    url = announced["upload"]["url"]
    for content, expected in (
        (b"123", (422, "upload_altered")),
        (b"12345", (422, "upload_altered")),
        (b"1234567", (413, "attachment_too_large")),
    ):
        answer = house.http.put(url, content=content)
        assert (answer.status_code, answer.json()["code"]) == expected
    for wrong in (url.replace("signature=", "signature=A"), url.split("?")[0], url.replace("expires=1", "expires=2")):
        answer = house.http.put(wrong, content=b"12345")
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")
    big = {"filename": "x", "content_type": "a/b", "size": 26 * 2**20}
    assert ann.refused("POST", "/v1/attachments", json=big) == (413, "attachment_too_large")


def test_an_image_named_in_the_html_stands_in_its_place(ann: Person) -> None:
    announced = _upload(ann, b"PNG", content_type="image/png", filename="p.png")
    ann.http.put(announced["upload"]["url"], content=b"PNG")
    ann.post(f"/v1/attachments/{announced['id']}/complete")
    html = f'<p><img src="cid:{announced["id"]}"></p>'
    draft = _draft(ann, html=html, attachment_ids=[announced["id"]])
    opened = ann.get(f"/v1/messages/{_message(ann, draft)}")
    assert opened["attachments"][0]["url"].split("?")[0] in opened["html"]
    assert f"cid:{announced['id']}" in ann.get(f"/v1/drafts/{draft['id']}")["html"]


def _set_quota(house: House, person: Person, limit_bytes: int) -> None:
    house.parts.administration.set_quota(house.parts.accounts.at(person.address), limit_bytes)


def test_uploads_count_against_the_quota_until_a_message_has_them(house: House, ann: Person) -> None:
    content = b"x" * 100_000
    asked = {"filename": "x", "content_type": "a/b", "size": len(content)}
    ann.bring(mail("First"))
    used = ann.get("/v1/account")["quota"]["used_bytes"]
    _set_quota(house, ann, used + 250_000)
    first = _upload(ann, content)
    assert house.http.put(first["upload"]["url"], content=content).status_code == 200
    _upload(ann, b"y" * 100_000)
    assert ann.refused("POST", "/v1/attachments", json=asked) == (507, "mailbox_full")
    ann.post(f"/v1/attachments/{first['id']}/complete")
    _draft(ann, attachment_ids=[first["id"]])
    used = ann.get("/v1/account")["quota"]["used_bytes"]
    _set_quota(house, ann, used + 199_999)
    assert ann.refused("POST", "/v1/attachments", json=asked) == (507, "mailbox_full")
    _set_quota(house, ann, used + 200_000)
    _upload(ann, content)


def test_a_full_mailbox_takes_no_upload(house: House, ann: Person) -> None:
    ann.bring(mail("Fills it"))
    _set_quota(house, ann, 10)
    asked = {"filename": "x", "content_type": "a/b", "size": 20_000_000}
    assert ann.refused("POST", "/v1/attachments", json=asked) == (507, "mailbox_full")
    assert ann.refused("POST", "/v1/attachments", json=asked | {"size": 1}) == (507, "mailbox_full")


def test_uploads_expire_with_time_and_let_go_of_what_they_held(house: House, ann: Person) -> None:
    content = b"soon forgotten" * 100
    announced, late = _upload(ann, content), _upload(ann, content)
    assert house.http.put(announced["upload"]["url"], content=content).status_code == 200
    now_ms = time.time_ns() // 1_000_000
    while expire_uploads(now_ms + 8 * DAY_MS, connect=house.parts.connect):
        pass
    assert ann.refused("POST", f"/v1/attachments/{announced['id']}/complete") == (404, "attachment_unknown")
    uploads = PostgresUploads(house.parts.connect)
    assert not uploads.arrived(late["id"], hashlib.sha256(content).hexdigest())
    with house.parts.connect() as connection:
        for one in (announced, late):
            assert names_held(connection, f"upload:{one['id']}") == []
