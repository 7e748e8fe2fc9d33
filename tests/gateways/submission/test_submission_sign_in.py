"""AUTH, line by line: RFC 4954, RFC 4616 (PLAIN), LOGIN, RFC 7628 (OAUTHBEARER)."""

import json
from base64 import b64decode

import pytest

from gateways.accounts import AccountsUnavailableError
from gateways.submission.tarpit import Tarpit
from tests.gateways.submission.conftest import ANN, SECRET, TOKEN, encoded, plain

PLAIN = plain(ANN.address, SECRET)
WRONG = plain(ANN.address, "wrong")
BEARER = "n,a={who},\x01host=mx\x01port=587\x01auth=Bearer {token}\x01\x01"


def introduced(handing, **options):
    talk = handing(**options)
    talk.answer("EHLO laptop\r\n")
    return talk


def test_the_mechanisms_are_offered_on_loopback_and_behind_tls_and_nowhere_else(handing):
    assert "250-AUTH PLAIN LOGIN OAUTHBEARER\r\n" in handing().answer("EHLO laptop\r\n")
    talk = handing(address="192.0.2.7")
    assert "AUTH" not in talk.answer("EHLO laptop\r\n")
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["538 5.7.11"]
    assert talk.codes("STARTTLS\r\n") == ["220 2.0.0"]
    assert "250-AUTH PLAIN LOGIN OAUTHBEARER\r\n" in talk.answer("EHLO laptop\r\n")
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]


def test_plain_signs_in_with_and_without_an_initial_response(handing):
    assert introduced(handing).codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]
    talk = introduced(handing)
    assert talk.answer("auth plain\r\n") == "334 \r\n"
    assert talk.codes(f"{PLAIN}\r\n") == ["235 2.7.0"]


def test_login_asks_for_a_name_and_a_password(handing):
    talk = introduced(handing)
    assert talk.answer("AUTH LOGIN\r\n") == f"334 {encoded('Username:')}\r\n"
    assert talk.answer(f"{encoded(ANN.address)}\r\n") == f"334 {encoded('Password:')}\r\n"
    assert talk.codes(f"{encoded(SECRET)}\r\n") == ["235 2.7.0"]
    talk = introduced(handing)
    assert talk.answer(f"AUTH LOGIN {encoded(ANN.address)}\r\n") == f"334 {encoded('Password:')}\r\n"
    assert talk.codes(f"{encoded(SECRET)}\r\n") == ["235 2.7.0"]


@pytest.mark.parametrize("who", [ANN.address, "ann+phone@example.test", ""])
def test_a_bearer_token_signs_in(handing, who):
    talk = introduced(handing)
    assert talk.codes(f"AUTH OAUTHBEARER {encoded(BEARER.format(who=who, token=TOKEN))}\r\n") == ["235 2.7.0"]


def test_a_token_that_is_not_taken_is_told_of_and_then_refused(handing):
    talk = introduced(handing)
    told = talk.answer(f"AUTH OAUTHBEARER {encoded(BEARER.format(who=ANN.address, token='lm_old'))}\r\n")
    assert json.loads(b64decode(told.removeprefix("334 ")))["status"] == "invalid_token"
    assert talk.codes(f"{encoded(chr(1))}\r\n") == ["535 5.7.8"]
    assert talk.codes("MAIL FROM:<ann@example.test>\r\n") == ["530 5.7.0"]


def test_a_token_speaks_for_nobody_but_its_owner(handing):
    talk = introduced(handing)
    assert talk.answer(f"AUTH OAUTHBEARER {encoded(BEARER.format(who='bob@example.test', token=TOKEN))}\r\n")[:4] == (
        "334 "
    )
    assert talk.codes("\r\n") == ["535 5.7.8"]


def test_nobody_acts_for_somebody_else(handing):
    talk = introduced(handing)
    for acts_as, code in (("bob@example.test", "535 5.7.8"), ("nobody", "535 5.7.8"), (ANN.address, "235 2.7.0")):
        assert talk.codes(f"AUTH PLAIN {plain(ANN.address, SECRET, acts_as)}\r\n") == [code]


@pytest.mark.parametrize(
    "initial",
    ["=", "====", "a", "YQ", "Y Q==", "é", encoded("no nul"), encoded("\0\0"), encoded("\0a\0"), encoded(b"\0\xff\0a")],
)
def test_a_response_that_is_none_is_refused_and_nothing_else_is_lost(handing, initial):
    talk = introduced(handing)
    assert talk.codes(f"AUTH PLAIN {initial}\r\n") == ["501 5.5.2"]
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "n,,",
        "n,,\x01auth=Bearer t",
        "n,,\x01auth=Basic t\x01\x01",
        "n,,\x01auth=Bearer \x01\x01",
        "p=tls-unique,,\x01auth=Bearer t\x01\x01",
        "n,b=ann,\x01auth=Bearer t\x01\x01",
        "n,a=an=n,\x01auth=Bearer t\x01\x01",
        "n,,more\x01auth=Bearer t\x01\x01",
        "n,,\x01auth\x01\x01",
    ],
)
def test_a_bearer_response_that_is_none_is_refused(handing, said):
    assert introduced(handing).codes(f"AUTH OAUTHBEARER {encoded(said) or '='}\r\n") == ["501 5.5.2"]


def test_a_star_cancels(handing):
    talk = introduced(handing)
    for mechanism in ("PLAIN", "LOGIN", "OAUTHBEARER"):
        talk.answer(f"AUTH {mechanism}\r\n")
        assert talk.codes("*\r\n") == ["501 5.7.0"]
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]


def test_a_line_that_is_too_long_ends_the_exchange_and_not_the_connection(handing):
    talk = introduced(handing)
    talk.answer("AUTH PLAIN\r\n")
    assert talk.codes("A" * 12_288) == ["500 5.5.6"]
    assert talk.codes("A" * 5 + "\r\n") == []
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]


def test_a_response_that_ends_with_a_bare_line_feed_is_refused(handing):
    talk = introduced(handing)
    talk.answer("AUTH PLAIN\r\n")
    assert talk.codes(f"{PLAIN}\n") == ["501 5.5.2"]


def test_auth_has_its_place(handing):
    talk = handing()
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["503 5.5.1"]
    talk.answer("HELO laptop\r\n")
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["503 5.5.1"]
    talk.answer("EHLO laptop\r\n")
    assert talk.codes("AUTH\r\n") == ["501 5.5.4"]
    assert talk.codes("AUTH CRAM-MD5\r\n") == ["504 5.5.4"]
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\nAUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0", "503 5.5.1"]


@pytest.mark.parametrize("command", ["MAIL FROM:<ann@example.test>", "RCPT TO:<b@c.d>", "DATA", "VRFY ann", "EXPN all"])
def test_what_needs_a_sign_in_says_so(handing, command):
    assert introduced(handing).codes(f"{command}\r\n") == ["530 5.7.0"]


def test_a_chunk_without_a_sign_in_is_passed_over(handing):
    assert introduced(handing).codes("BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n") == ["503 5.5.1", "250 2.0.0"]


@pytest.mark.parametrize("command", ["NOOP", "RSET", "HELP", "QUIT"])
def test_what_needs_no_sign_in_is_answered(handing, command):
    assert introduced(handing).codes(f"{command}\r\n")[0][0] == "2"


def test_the_handshake_forgets_who_signed_in(handing):
    talk = handing().signed_in()
    assert talk.codes("STARTTLS\r\nEHLO laptop\r\n") == ["220 2.0.0"]
    talk.answer("EHLO laptop\r\n")
    assert talk.codes("MAIL FROM:<ann@example.test>\r\n") == ["530 5.7.0"]


@pytest.mark.parametrize(
    ("name", "code"), [("gone@example.test", "525 5.7.13"), ("hasty@example.test", "454 4.7.0"), ("x", "535 5.7.8")]
)
def test_who_is_not_let_in_hears_why(handing, name, code):
    assert introduced(handing).codes(f"AUTH PLAIN {plain(name, SECRET)}\r\n") == [code]


@pytest.mark.parametrize("failure", [AccountsUnavailableError("away"), ConnectionError("away"), RuntimeError("broken")])
def test_an_outage_refuses_for_now(handing, house, failure):
    talk = introduced(handing)
    house.failure = failure
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["454 4.7.0"]
    assert talk.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]


def test_who_guesses_waits_longer_each_time_and_is_sent_away(handing):
    tarpit = Tarpit(first_s=1, longest_s=5)
    talk = introduced(handing, tarpit=tarpit)
    assert talk.codes(f"AUTH PLAIN {WRONG}\r\n" * 6) == ["535 5.7.8"] * 5 + ["421 4.7.0"]
    assert (talk.pauses, talk.closed) == ([1, 2, 4, 5, 5], True)
    again = introduced(handing, tarpit=tarpit)
    assert again.codes(f"AUTH PLAIN {PLAIN}\r\n") == ["235 2.7.0"]
    assert again.pauses == []


def test_the_tarpit_forgets_after_a_while_and_holds_a_bounded_number():
    now = [0.0]
    tarpit = Tarpit(first_s=1, longest_s=5, clock_s=lambda: now[0])
    assert [tarpit.failed("192.0.2.1"), tarpit.failed("192.0.2.1"), tarpit.failed("192.0.2.2")] == [1, 2, 1]
    now[0] = 601
    assert tarpit.failed("192.0.2.1") == 1
    for number in range(10_000):
        tarpit.failed(str(number))
    assert (len(tarpit._failures), tarpit.failed("192.0.2.1")) == (10_000, 1)
