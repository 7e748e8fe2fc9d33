"""Accounts, sessions, passwords, contacts, rules over HTTP."""

import base64
import time
import zoneinfo
from typing import Any

import pytest

from domain.totp import code_of, step_at
from tests.http_house import PASSWORD, House, Person, mail


def test_an_account_is_opened_once(house: House) -> None:
    body = {"address": "eve.first@example.test", "password": PASSWORD, "display_name": "Eve"}
    made = house.http.post("/v1/accounts", json=body, headers={"Idempotency-Key": "eve"})
    again = house.http.post("/v1/accounts", json=body, headers={"Idempotency-Key": "eve"})
    assert made.status_code == again.status_code == 201
    assert made.json() == again.json()
    taken = house.http.post("/v1/accounts", json=body | {"address": "EVE.First@EXAMPLE.test"})
    assert (taken.status_code, taken.json()["code"]) == (409, "address_taken")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"address": "no address"}, (422, "address_invalid")),
        ({"address": "eve@elsewhere.test"}, (422, "domain_not_served")),
        ({"password": "short"}, (422, "password_weak")),
        ({"address": "postmaster@example.test"}, (409, "address_taken")),
        ({"address": "e\0@example.test"}, (422, "body_invalid")),
        ({"password": 7}, (422, "body_invalid")),
        ({"display_name": "x" * 501}, (422, "body_invalid")),
    ],
)
def test_an_account_that_cannot_be_is_refused(house: House, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    answer = house.http.post("/v1/accounts", json={"address": "new@example.test", "password": PASSWORD} | changes)
    assert (answer.status_code, answer.json()["code"]) == expected


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(house: House, ann: Person) -> None:
    answers = [
        house.http.post("/v1/sessions", json={"address": address, "password": "wrong wrong wrong"})
        for address in (ann.address, "nobody@example.test")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    told = [answer.json() for answer in answers]
    assert len({one.pop("instance") for one in told}) == 2  # each names its own request
    assert told[0] == told[1]


def test_the_account_shows_profile_quota_and_head(ann: Person) -> None:
    shown = ann.get("/v1/account")
    assert (shown["address"], shown["display_name"], shown["time_zone"]) == (ann.address, "Ann", "UTC")
    assert shown["quota"]["state"] == "ok"
    answer = ann.http.patch("/v1/account", json={"signature": "Ann\nExample", "time_zone": "Europe/Berlin"})
    assert answer.json() == {"seq": shown["head_seq"] + 1}
    assert ann.http.patch("/v1/account", json={"signature": "Ann\nExample"}).json() == answer.json()
    changed = ann.get("/v1/account", min_seq=answer.json()["seq"])
    assert (changed["signature"], changed["display_name"]) == ("Ann\nExample", "Ann")
    for zone in ("the moon", "Mars/X", "europe/berlin", "localtime", "../etc/passwd", ""):
        assert ann.refused("PATCH", "/v1/account", json={"time_zone": zone}) == (422, "settings_invalid")
    assert ann.get("/v1/account")["time_zone"] == "Europe/Berlin"


def test_sessions_are_listed_and_ended(house: House, ann: Person) -> None:
    other = house.sign_in(ann.address)
    sessions = ann.get("/v1/sessions")["sessions"]
    assert sorted(session["current"] for session in sessions) == [False, True]
    theirs = next(session for session in sessions if not session["current"])
    assert theirs["address"] == "127.0.0.1"
    assert ann.http.delete(f"/v1/sessions/{theirs['id']}").status_code == 204
    assert ann.refused("DELETE", f"/v1/sessions/{theirs['id']}") == (404, "session_unknown")
    assert other.refused("GET", "/v1/account") == (401, "token_invalid")


def test_a_new_password_ends_the_other_sessions(house: House, ann: Person) -> None:
    other = house.sign_in(ann.address)
    new = "another good long phrase"
    wrong = {"old_password": "wrong wrong wrong", "new_password": new}
    assert ann.refused("POST", "/v1/account/password", json=wrong) == (401, "credentials_invalid")
    changed = ann.post("/v1/account/password", {"old_password": PASSWORD, "new_password": new})
    assert changed == {"seq": ann.head()}
    assert other.refused("GET", "/v1/account") == (401, "token_invalid")
    assert house.sign_in(ann.address, new).get("/v1/account")["address"] == ann.address


def test_app_passwords_are_shown_once(ann: Person) -> None:
    made = ann.post("/v1/app-passwords", {"name": "Phone"}, status=201)
    assert made["password"]
    (listed,) = ann.get("/v1/app-passwords")["app_passwords"]
    assert (listed["id"], listed["name"], "password" in listed) == (made["id"], "Phone", False)
    assert ann.http.delete(f"/v1/app-passwords/{made['id']}").status_code == 204
    assert ann.refused("DELETE", f"/v1/app-passwords/{made['id']}") == (404, "app_password_unknown")
    assert ann.refused("POST", "/v1/app-passwords", json={"name": ""}) == (422, "body_invalid")


def test_the_address_book_is_kept_and_offered(house: House, ann: Person) -> None:
    made = ann.post("/v1/contacts", {"name": "Zoë Zander", "addresses": ["zoe@x.test"]}, status=201)
    ann.bring(mail("Hi"))
    (entry,) = ann.get("/v1/contacts")["contacts"]
    assert (entry["id"], entry["addresses"]) == (made["id"], ["zoe@x.test"])
    assert [one["id"] for one in ann.get("/v1/contacts", q="zan")["contacts"]] == [made["id"]]
    assert ann.http.patch(f"/v1/contacts/{made['id']}", json={"note": "n"}).json() == {"seq": ann.head()}
    assert ann.get("/v1/contacts")["contacts"][0]["name"] == "Zoë Zander"
    assert ann.http.delete(f"/v1/contacts/{made['id']}").json() == {"seq": ann.head()}
    assert ann.refused("PATCH", f"/v1/contacts/{made['id']}", json={}) == (404, "contact_unknown")


def test_whom_one_wrote_to_is_offered(house: House, ann: Person) -> None:
    ann.post("/v1/messages", {"to": [{"name": "Dora", "address": "dora@x.test"}], "text": "Hi"}, status=202)
    house.follow_contacts()
    (offered,) = ann.get("/v1/contacts", q="dor")["contacts"]
    assert (offered["id"], offered["name"], offered["addresses"]) == (None, "Dora", ["dora@x.test"])


def test_the_address_book_comes_in_pages(ann: Person) -> None:
    ids = [ann.post("/v1/contacts", {"name": f"N{n}"}, status=201)["id"] for n in range(3)]
    first = ann.get("/v1/contacts", limit=2)
    rest = ann.get("/v1/contacts", limit=2, cursor=first["cursor"])
    assert [one["id"] for one in first["contacts"] + rest["contacts"]] == sorted(ids)


def test_rules_and_vacation_are_kept_in_shape(ann: Person) -> None:
    assert ann.get("/v1/rules") == {"rules": []}
    rule = {
        "name": "Lists",
        "conditions": [{"field": "list_id", "op": "contains", "value": "x"}],
        "actions": [{"do": "archive"}],
    }
    assert ann.http.put("/v1/rules", json={"rules": [rule]}).json() == {"seq": ann.head()}
    assert ann.get("/v1/rules")["rules"][0]["actions"][0]["do"] == "archive"
    assert ann.refused("PUT", "/v1/rules", json={"rules": [{"actions": []}]}) == (422, "body_invalid")
    assert ann.get("/v1/vacation")["enabled"] is False
    away = {"enabled": True, "text": "Away", "from_at": "2026-12-01T00:00:00Z", "until_at": "2026-12-08T00:00:00Z"}
    assert ann.http.put("/v1/vacation", json=away).json() == {"seq": ann.head()}
    assert ann.get("/v1/vacation")["text"] == "Away"
    backwards = away | {"until_at": "2026-11-01T00:00:00Z"}
    assert ann.refused("PUT", "/v1/vacation", json=backwards) == (422, "vacation_invalid")


def test_a_rule_that_cannot_be_run_is_refused_and_says_which(ann: Person) -> None:
    for action in (
        {"do": "forward", "address": "nobody"},
        {"do": "add_label"},
        {"do": "add_keyword", "keyword": "a b"},
    ):
        asked = {"rules": [{"actions": [{"do": "star"}]}, {"actions": [action]}]}
        answer = ann.http.put("/v1/rules", json=asked)
        assert (answer.status_code, answer.json()["code"]) == (422, "rules_invalid")
        assert "$.rules[1]" in answer.json()["detail"]


def test_a_script_is_kept_beside_the_rules_and_its_faults_are_told_by_their_lines(ann: Person) -> None:
    assert ann.get("/v1/rules/script") == {"script": ""}
    script = 'require "fileinto";\r\nfileinto "Archive";\r\n'
    assert ann.http.put("/v1/rules/script", json={"script": script}).json() == {"seq": ann.head()}
    assert ann.http.put("/v1/rules/script", json={"script": script}).json() == {"seq": ann.head()}
    assert ann.http.put("/v1/rules", json={"rules": [{"actions": [{"do": "star"}]}]}).status_code == 200
    assert ann.get("/v1/rules/script") == {"script": script}
    refused = ann.http.put("/v1/rules/script", json={"script": "keep;\nnothing;\nfileinto;\n"})
    assert (refused.status_code, refused.json()["code"]) == (422, "script_invalid")
    assert [one["line"] for one in refused.json()["errors"]] == [2, 3]
    assert ann.http.put("/v1/rules/script", json={"script": ""}).status_code == 200
    assert ann.get("/v1/rules/script") == {"script": ""}
    assert len(ann.get("/v1/rules")["rules"]) == 1


def test_time_zones_are_known_on_a_machine_that_brings_none() -> None:
    zoneinfo.reset_tzpath(to=[])
    try:
        assert {"Europe/Berlin", "America/New_York", "UTC"} <= zoneinfo.available_timezones()
    finally:
        zoneinfo.reset_tzpath()


def test_a_second_factor_is_begun_switched_on_asked_for_and_taken_off(house: House, ann: Person) -> None:
    assert ann.get("/v1/account")["totp"] is False
    assert ann.refused("POST", "/v1/account/totp", json={}) == (422, "body_invalid")
    assert ann.refused("POST", "/v1/account/totp", json={"password": "a guess"}) == (401, "credentials_invalid")
    assert ann.refused("POST", "/v1/account/totp", json={"totp": "000000"}) == (404, "totp_unknown")
    assert ann.refused("DELETE", "/v1/account/totp", json={"totp": "000000"}) == (404, "totp_unknown")
    made = ann.post("/v1/account/totp", {"password": PASSWORD}, status=201)
    secret, now = base64.b32decode(made["secret"]), step_at(time.time_ns() // 1_000_000)
    switched = ann.post("/v1/account/totp", {"totp": code_of(secret, now)}, status=200)
    assert switched == {"seq": ann.head()}
    assert ann.get("/v1/account")["totp"] is True
    assert ann.refused("POST", "/v1/account/totp", json={"password": PASSWORD}) == (409, "totp_on")

    asked = {"address": ann.address, "password": PASSWORD}
    assert ann.refused("POST", "/v1/sessions", json=asked) == (401, "totp_required")
    assert ann.refused("POST", "/v1/sessions", json=asked | {"password": "x"}) == (401, "credentials_invalid")
    wrong = asked | {"totp": "no code"}
    assert ann.refused("POST", "/v1/sessions", json=wrong) == (401, "credentials_invalid")
    with_recovery = asked | {"totp": made["recovery_codes"][0]}
    assert ann.post("/v1/sessions", with_recovery, status=201)["token"]
    assert ann.refused("POST", "/v1/sessions", json=with_recovery) == (401, "credentials_invalid")

    off = ann.http.request("DELETE", "/v1/account/totp", json={"totp": made["recovery_codes"][1]})
    assert (off.status_code, off.json()) == (200, {"seq": ann.head()})
    assert ann.post("/v1/sessions", asked, status=201)["token"]
    events = {one["type"]: one["data"] for one in ann.get("/v1/sync", since=0)["events"]}
    assert events["SecondFactorRemoved"]["by"] == "owner"
    assert events["RecoveryCodeUsed"] == {"left": 9}
    assert made["secret"] not in str(events)
