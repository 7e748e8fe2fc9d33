"""Messages, conversations and labels over HTTP."""

from typing import Any

import pytest

from tests.http_house import House, Person, mail

PICTURE = (
    b"From: Carol <carol@elsewhere.test>\r\nTo: ann@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"MIME-Version: 1.0\r\nMessage-ID: <pic@elsewhere.test>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: multipart/related; boundary=y\r\n\r\n"
    b'--y\r\nContent-Type: text/html\r\n\r\n<p onclick="x()">Hi <script>alert(1)</script><img src="cid:one@x">'
    b'<img src="http://tracker.test/p.gif"></p>\r\n'
    b"--y\r\nContent-Type: image/png\r\nContent-ID: <one@x>\r\nContent-Disposition: inline\r\n\r\nPNG\r\n--y--\r\n"
    b"--x\r\nContent-Type: text/html\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%22%0D%0Aevil.html\r\n\r\n"
    b"<script>alert(1)</script>\r\n--x--\r\n"
)


def test_a_list_is_newest_first_in_pages(ann: Person) -> None:
    ids = [ann.bring(mail(f"Number {n}"), received_at=f"2026-11-2{n}T00:00:00Z") for n in range(1, 5)]
    found: list[str] = []
    cursor = None
    while cursor is not None or not found:
        page = ann.get("/v1/messages", label="INBOX", limit=2, **({"cursor": cursor} if cursor else {}))
        found += [message["id"] for message in page["messages"]]
        cursor = page["cursor"]
    assert found == list(reversed(ids))


def test_unread_and_starred_lists_show_what_is(ann: Person) -> None:
    read, starred = ann.bring(mail("Read"), keywords="$seen"), ann.bring(mail("Starred"), keywords="$flagged,$seen")
    unread = ann.bring(mail("Unread"))
    for label in ({}, {"label": "INBOX"}):
        assert [m["id"] for m in ann.get("/v1/messages", unread="true", **label)["messages"]] == [unread]
        assert {m["id"] for m in ann.get("/v1/messages", unread="false", **label)["messages"]} == {read, starred}
        assert [m["id"] for m in ann.get("/v1/messages", starred="true", **label)["messages"]] == [starred]


def test_a_list_of_a_label_that_is_none_or_with_a_strange_cursor_is_refused(ann: Person) -> None:
    assert ann.refused("GET", "/v1/messages?label=nothing") == (404, "label_unknown")
    assert ann.get("/v1/messages", label="TRASH")["messages"] == []
    for cursor in ("x", "%00", "AAAA", "W10"):
        assert ann.refused("GET", f"/v1/messages?cursor={cursor}")[0] == 422
    assert ann.refused("GET", "/v1/messages?limit=501") == (422, "parameter_invalid")
    assert ann.refused("GET", "/v1/messages?unread=maybe") == (422, "parameter_invalid")


def test_an_opened_message_is_decoded_and_harmless(ann: Person) -> None:
    opened = ann.get(f"/v1/messages/{ann.bring(PICTURE)}")
    assert opened["subject"] == "Grüße"
    assert {"name": "Subject", "value": "Grüße"} in opened["headers"]
    assert "script" not in opened["html"]
    assert "onclick" not in opened["html"]
    assert "tracker.test" not in opened["html"]
    assert opened["blocked_remote"] is True
    assert opened["authentication"] == {"spf": None, "dkim": None, "dmarc": None, "arc": None}
    assert opened["spam_score"] is None
    shown, file = sorted(opened["attachments"], key=lambda one: one["content_type"])
    assert (shown["inline"], shown["content_id"]) == (True, "one@x")
    assert file["inline"] is False
    assert f'src="{shown["url"].replace("&", "&amp;")}"' in opened["html"]


def test_consent_lets_remote_images_load(ann: Person) -> None:
    opened = ann.get(f"/v1/messages/{ann.bring(PICTURE)}", remote="true")
    assert 'src="http://tracker.test/p.gif"' in opened["html"]


def test_attachments_come_with_headers_that_no_browser_runs(ann: Person) -> None:
    message_id = ann.bring(PICTURE)
    shown, file = sorted(ann.get(f"/v1/messages/{message_id}")["attachments"], key=lambda one: one["content_type"])
    picture = ann.http.get(f"/v1/messages/{message_id}/attachments/{shown['id']}")
    assert picture.content == b"PNG"
    assert picture.headers["content-disposition"].startswith("inline")
    page = ann.http.get(f"/v1/messages/{message_id}/attachments/{file['id']}")
    assert page.content == b"<script>alert(1)</script>"
    assert page.headers["content-disposition"].startswith("attachment; filename=")
    assert "\r" not in page.headers["content-disposition"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].startswith("sandbox")


def test_a_signed_address_needs_no_token_and_cannot_be_altered(ann: Person, bob: Person) -> None:
    message_id = ann.bring(PICTURE)
    url = ann.get(f"/v1/messages/{message_id}")["attachments"][0]["url"]
    assert ann.house.http.get(url).status_code == 200
    altered = url.replace(f"mailbox={ann.mailbox_id}", f"mailbox={bob.mailbox_id}")
    for wrong in (altered, url[:-3] + "AAA", url.replace("expires=1", "expires=2"), url.split("?")[0] + "?signature="):
        answer = ann.house.http.get(wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")


def test_an_altered_object_is_not_shown_as_the_mail_and_the_operator_is_told(
    ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = ann.bring(PICTURE)
    opened = ann.get(f"/v1/messages/{message_id}")
    attachment = opened["attachments"][0]["id"]
    parts = ann.house.parts
    with parts.connect() as connection:
        found = connection.execute("SELECT blob FROM messages WHERE message_id = %s", (message_id,)).fetchone()
    assert found is not None
    for altered in (b"Subject: another\r\n\r\nbytes\r\n", PICTURE.replace(b"Hi ", b"Ho ")):
        parts.blobs.put(found[0], altered)
        for path in ("", "/raw", f"/attachments/{attachment}"):
            assert ann.refused("GET", f"/v1/messages/{message_id}{path}") == (503, "body_unavailable")
        assert any(found[0] in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
        caplog.clear()
    parts.blobs.put(found[0], PICTURE)
    assert ann.http.get(f"/v1/messages/{message_id}/raw").content == PICTURE


def test_raw_is_byte_for_byte_what_came(ann: Person) -> None:
    raw = PICTURE + b"\r\nand \xff bytes\rwith a bare CR"
    message_id = ann.bring(raw)
    answer = ann.http.get(f"/v1/messages/{message_id}/raw")
    assert answer.content == raw
    assert answer.headers["content-type"] == "message/rfc822"
    assert ann.get("/v1/messages")["messages"][0]["size"] == len(raw)


def test_an_import_makes_line_ends_whole_and_is_told_apart_by_its_key(ann: Person) -> None:
    key = {"Content-Type": "message/rfc822", "Idempotency-Key": "k1"}
    first = ann.http.post("/v1/messages/import?labels=INBOX", content=b"Subject: x\n\nbody\n", headers=key)
    again = ann.http.post("/v1/messages/import?labels=INBOX", content=b"Subject: x\n\nbody\n", headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    other = ann.http.post("/v1/messages/import?labels=INBOX", content=b"Subject: y\n\nbody\n", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert ann.http.get(f"/v1/messages/{first.json()['id']}/raw").content == b"Subject: x\r\n\r\nbody\r\n"
    assert len(ann.get("/v1/messages")["messages"]) == 1


@pytest.mark.parametrize(
    ("query", "body", "kind", "expected"),
    [
        ("labels=none", b"x", "message/rfc822", (404, "label_unknown")),
        ("keywords=$deleted", b"x", "message/rfc822", (422, "keyword_invalid")),
        ("received_at=yesterday", b"x", "message/rfc822", (422, "parameter_invalid")),
        ("labels=INBOX&labels=SENT", b"x", "message/rfc822", (422, "parameter_invalid")),
        ("", b"", "message/rfc822", (422, "message_invalid")),
        ("", b"{}", "application/json", (415, "content_type_unsupported")),
    ],
)
def test_an_import_that_cannot_be_changes_nothing(
    ann: Person, query: str, body: bytes, kind: str, expected: tuple[int, str]
) -> None:
    head = ann.head()
    path = f"/v1/messages/import?{query}"
    assert ann.refused("POST", path, content=body, headers={"Content-Type": kind}) == expected
    assert ann.head() == head


def test_a_modification_that_changes_nothing_appends_nothing(ann: Person) -> None:
    message_id = ann.bring(mail())
    first = ann.post("/v1/messages/modify", {"ids": [message_id], "add_keywords": ["$seen"]})
    again = ann.post("/v1/messages/modify", {"ids": [message_id], "add_keywords": ["$SEEN"]})
    assert first == again == {"seq": ann.head()}


def test_unknown_ids_are_named_and_nothing_is_changed(ann: Person) -> None:
    message_id = ann.bring(mail())
    answer = ann.http.post("/v1/messages/modify", json={"ids": [message_id, "e0"], "add_keywords": ["$seen"]})
    assert (answer.status_code, answer.json()["code"], answer.json()["ids"]) == (404, "message_unknown", ["e0"])
    assert ann.get("/v1/messages")["messages"][0]["keywords"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ids": []}, (422, "body_invalid")),
        ({"ids": ["e"] * 1001}, (422, "body_invalid")),
        ({"ids": "e1"}, (422, "body_invalid")),
        ({"ids": ["e\0"]}, (422, "body_invalid")),
        ({}, (422, "body_invalid")),
        ([], (422, "body_invalid")),
        ({"ids": ["e1"], "add_keywords": ["$deleted"]}, (422, "keyword_invalid")),
        ({"ids": ["e1"], "add_keywords": ["a\0b"]}, (422, "body_invalid")),
        ({"ids": ["e1"], "add_labels": ["none"]}, (404, "label_unknown")),
    ],
)
def test_a_modification_that_cannot_be_is_refused(ann: Person, body: Any, expected: tuple[int, str]) -> None:
    assert ann.refused("POST", "/v1/messages/modify", json=body) == expected


def test_deleting_goes_into_the_trash_and_then_for_good(ann: Person) -> None:
    message_id = ann.bring(mail())
    ann.post("/v1/messages/delete", {"ids": [message_id]})
    assert ann.get("/v1/messages", label="TRASH")["messages"][0]["id"] == message_id
    ann.post("/v1/messages/delete", {"ids": [message_id]})
    for path in ("", "/raw", "/attachments/a1"):
        assert ann.refused("GET", f"/v1/messages/{message_id}{path}") == (404, "message_unknown")


def test_spam_is_reported_and_cleared(ann: Person) -> None:
    message_id = ann.bring(mail())
    ann.post("/v1/messages/report", {"ids": [message_id], "verdict": "spam"})
    assert ann.get("/v1/messages", label="SPAM")["messages"][0]["keywords"] == ["$junk"]
    ann.post("/v1/messages/report", {"ids": [message_id], "verdict": "not_spam"})
    assert ann.get("/v1/messages", label="INBOX")["messages"][0]["keywords"] == ["$notjunk"]
    body = {"ids": [message_id], "verdict": "perhaps"}
    assert ann.refused("POST", "/v1/messages/report", json=body) == (422, "body_invalid")


def test_a_snooze_takes_a_message_away_until_then(ann: Person) -> None:
    message_id = ann.bring(mail())
    ann.post("/v1/messages/snooze", {"ids": [message_id], "until": "2029-01-01T00:00:00Z"})
    assert ann.get("/v1/messages", label="INBOX")["messages"] == []
    for until in ("2020-01-01T00:00:00Z", "soon", "2029-01-01T00:00:00", "9999-12-31T23:59:59Z"):
        body = {"ids": [message_id], "until": until}
        assert ann.refused("POST", "/v1/messages/snooze", json=body) == (422, "snooze_invalid")


def test_the_same_key_gives_the_same_answer_and_another_body_none(ann: Person) -> None:
    message_id = ann.bring(mail())
    body = {"ids": [message_id], "add_keywords": ["$seen"]}
    first = ann.post("/v1/messages/modify", body, **{"Idempotency-Key": "k"})
    ann.post("/v1/messages/modify", {"ids": [message_id], "remove_keywords": ["$seen"]})
    assert ann.post("/v1/messages/modify", body, **{"Idempotency-Key": "k"}) == first
    assert ann.get("/v1/messages")["messages"][0]["keywords"] == []
    other = {"ids": [message_id], "add_keywords": ["$flagged"]}
    answer = ann.http.post("/v1/messages/modify", json=other, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_call_that_appended_nothing_keeps_its_answer_too(ann: Person) -> None:
    message_id = ann.bring(mail(), keywords="$seen")
    body = {"ids": [message_id], "add_keywords": ["$seen"]}
    first = ann.post("/v1/messages/modify", body, **{"Idempotency-Key": "n"})
    ann.post("/v1/messages/modify", {"ids": [message_id], "remove_keywords": ["$seen"]})
    assert ann.post("/v1/messages/modify", body, **{"Idempotency-Key": "n"}) == first
    assert ann.get("/v1/messages")["messages"][0]["keywords"] == []
    for key in ("", "a b", "x" * 256):
        answer = ann.http.post("/v1/messages/modify", json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_invalid")


def test_two_people_may_use_the_same_key(ann: Person, bob: Person) -> None:
    for person in (ann, bob):
        made = person.post("/v1/labels", {"name": "Work"}, status=201, **{"Idempotency-Key": "same"})
        assert made["seq"] == person.head()


def test_a_conversation_is_listed_by_its_newest_and_read_from_its_oldest(ann: Person) -> None:
    first = ann.bring(mail("Plan", Message_ID="<a@x.test>"), received_at="2026-11-01T00:00:00Z")
    second = ann.bring(
        mail("Re: Plan", In_Reply_To="<a@x.test>", References="<a@x.test>"), received_at="2026-11-02T00:00:00Z"
    )
    (thread,) = ann.get("/v1/threads", label="INBOX")["threads"]
    assert (thread["total"], thread["unread"], thread["message"]["id"]) == (2, 2, second)
    shown = ann.get(f"/v1/threads/{thread['id']}")
    assert [message["id"] for message in shown["messages"]] == [first, second]
    assert ann.refused("GET", "/v1/threads/t0") == (404, "thread_unknown")
    assert ann.refused("GET", "/v1/threads?label=none") == (404, "label_unknown")


def test_labels_are_made_moved_and_deleted(ann: Person) -> None:
    made = ann.post("/v1/labels", {"name": "Work/Plans"}, status=201)
    labels = {label["path"]: label for label in ann.get("/v1/labels")["labels"]}
    assert labels["Work/Plans"]["id"] == made["id"]
    assert labels["Work/Plans"]["parent_id"] == labels["Work"]["id"]
    assert ann.refused("POST", "/v1/labels", json={"name": "work/PLANS"}) == (409, "label_exists")
    assert ann.http.patch(f"/v1/labels/{made['id']}", json={"name": "Ideas"}).json() == {"seq": ann.head()}
    assert "Ideas" in {label["path"] for label in ann.get("/v1/labels")["labels"]}


def test_a_label_is_emptied_before_it_goes_and_its_messages_stay(ann: Person) -> None:
    label_id = ann.post("/v1/labels", {"name": "Short"}, status=201)["id"]
    ids = [ann.bring(mail(f"N{n}"), labels=label_id) for n in range(3)]
    assert ann.get("/v1/counts")[label_id] == {"total": 3, "unread": 3}
    answer = ann.http.delete(f"/v1/labels/{label_id}")
    assert answer.json() == {"seq": ann.head()}
    assert {m["id"] for m in ann.get("/v1/messages", label="ARCHIVE")["messages"]} == set(ids)
    assert ann.refused("DELETE", f"/v1/labels/{label_id}") == (404, "label_unknown")


def test_labels_that_must_stay_do(ann: Person) -> None:
    ann.post("/v1/labels", {"name": "A/B"}, status=201)
    parent = next(label for label in ann.get("/v1/labels")["labels"] if label["path"] == "A")
    assert ann.refused("DELETE", f"/v1/labels/{parent['id']}") == (409, "label_has_children")
    assert ann.refused("DELETE", "/v1/labels/INBOX") == (409, "label_reserved")
    assert ann.refused("PATCH", "/v1/labels/INBOX", json={"name": "Mine"}) == (409, "label_reserved")
    assert ann.refused("POST", "/v1/labels", json={"name": "inbox"}) == (409, "label_reserved")
    for name in ("a//b", "\x01", "a" * 300):
        assert ann.refused("POST", "/v1/labels", json={"name": name}) == (422, "label_invalid")


def test_what_is_anothers_is_as_unknown_as_what_is_not(ann: Person, bob: Person) -> None:
    message_id = ann.bring(mail())
    label_id = ann.post("/v1/labels", {"name": "Mine"}, status=201)["id"]
    thread_id = ann.get("/v1/messages")["messages"][0]["thread_id"]
    draft_id = ann.post("/v1/drafts", {"subject": "Mine"}, status=201)["id"]
    for path, unknown in (
        (f"/v1/messages/{message_id}", "/v1/messages/e0"),
        (f"/v1/messages/{message_id}/raw", "/v1/messages/e0/raw"),
        (f"/v1/messages/{message_id}/attachments/a1", "/v1/messages/e0/attachments/a1"),
        (f"/v1/threads/{thread_id}", "/v1/threads/t0"),
        (f"/v1/drafts/{draft_id}", "/v1/drafts/d0"),
        (f"/v1/messages?label={label_id}", "/v1/messages?label=l0"),
    ):
        theirs, nobodys = bob.http.get(path), bob.http.get(unknown)
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json()["code"] == nobodys.json()["code"]
    for path in (f"/v1/labels/{label_id}", f"/v1/drafts/{draft_id}"):
        assert bob.http.delete(path).status_code == 404
    assert bob.refused("POST", "/v1/messages/delete", json={"ids": [message_id]}) == (404, "message_unknown")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/search?q=%00", "q"),
        ("/v1/messages?cursor=%00", "cursor"),
        ("/v1/messages?limit=0", "limit"),
        ("/v1/messages?label=INBOX&label=SENT", "label"),
        ("/v1/contacts?q=a%00b", "q"),
        ("/v1/sync?hash=%00", "hash"),
    ],
)
def test_a_wrong_parameter_is_told_by_its_name(ann: Person, path: str, name: str) -> None:
    answer = ann.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
    assert f"`$.{name}`" in answer.json()["detail"]


def test_a_name_that_no_call_knows_is_ignored(ann: Person) -> None:
    assert ann.http.get("/v1/messages?unknown=%00&unknown=2").status_code == 200


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/threads", "/v1/labels", "/v1/counts", "/v1/search", "/v1/sync"])
def test_the_past_is_refused_rather_than_answered_with_the_present(ann: Person, path: str) -> None:
    for moment in ("5", "2026-11-22T05:00:00Z", ""):
        answer = ann.http.get(path, params={"at": moment})
        assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
        assert "not served yet" in answer.json()["detail"]


def pages(person: Person, path: str, name: str, limit: int) -> list[list[Any]]:
    """All pages of a list, as far as its cursors lead."""
    page = person.get(path, limit=limit)
    found = [page[name]]
    while page["cursor"] is not None:
        page = person.get(path, limit=limit, cursor=page["cursor"])
        found.append(page[name])
    return found


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/labels", "labels"),
        ("/v1/sessions", "sessions"),
        ("/v1/app-passwords", "app_passwords"),
        ("/v1/identities", "identities"),
        ("/v1/contacts", "contacts"),
        ("/v1/drafts", "drafts"),
    ],
)
def test_every_list_is_paged_by_its_cursor(house: House, ann: Person, path: str, name: str) -> None:
    for number in range(3):
        house.sign_in(ann.address)
        ann.post("/v1/labels", {"name": f"Label {number}/below"}, status=201)
        ann.post("/v1/app-passwords", {"name": f"Phone {number}"}, status=201)
        ann.post("/v1/identities", {"name": f"Ann {number}", "address": ann.address}, status=201)
        ann.post("/v1/contacts", {"name": f"Dora {number}"}, status=201)
        ann.post("/v1/drafts", {"subject": f"Plans {number}"}, status=201)
    whole = ann.get(path)
    assert whole["cursor"] is None
    found = pages(ann, path, name, 2)
    assert len(found) > 1
    assert all(len(page) == 2 for page in found[:-1])
    assert [row for page in found for row in page] == whole[name]
    other = ann.get("/v1/labels", limit=1)["cursor"] if name != "labels" else ann.get("/v1/sessions", limit=1)["cursor"]
    for cursor in (other, "x"):
        assert ann.refused("GET", f"{path}?cursor={cursor}") == (422, "cursor_invalid")
    for limit in (0, 1001):
        assert ann.refused("GET", f"{path}?limit={limit}") == (422, "parameter_invalid")


def test_a_page_of_labels_whose_last_one_is_gone_leads_nowhere(ann: Person) -> None:
    ids = [ann.post("/v1/labels", {"name": name}, status=201)["id"] for name in ("A", "B")]
    cursor = ann.get("/v1/labels", limit=7)["cursor"]
    assert ann.http.delete(f"/v1/labels/{ids[0]}").status_code == 200
    assert ann.refused("GET", f"/v1/labels?cursor={cursor}") == (422, "cursor_invalid")
