"""The real rspamd that `scripts/test --servers` brought up, asked as a door asks it."""

import asyncio

import pytest

from gateways.authentication.evidence import Evidence
from gateways.screening import Arrival, Screening
from gateways.spam.filtering import SpamFilter
from gateways.spam.learning import Installation
from gateways.spam.token_ids import TokenIds
from infra.spam.rspamd import Rspamd
from tests.servers import setting

pytestmark = pytest.mark.servers

ARRIVAL = Arrival("203.0.113.9", "mail.elsewhere.test", "ada@elsewhere.test", "mx.example.test")
MAIL = (
    "From: Ada <ada@elsewhere.test>\r\nTo: Ann <ann@example.test>\r\nSubject: Tuesday\r\n"
    "Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@elsewhere.test>\r\n\r\n{}\r\n"
)
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def screened(text: str, scanner: Rspamd) -> Screening:
    evidence = Evidence()
    evidence.add(MAIL.format(text).encode())
    evidence.finish()
    looks = SpamFilter(None, ids=TokenIds(b"a key of tests"), installation=Installation, scanner=scanner)
    return asyncio.run(looks.screen(ARRIVAL, evidence))


@pytest.fixture
def rspamd() -> Rspamd:
    return Rspamd(setting("RSPAMD"))


def test_it_refuses_the_test_message_of_all_spam_filters(rspamd: Rspamd) -> None:
    found = screened(GTUBE, rspamd)
    assert (found.spam_disposition, found.spam_layers, found.unscreened) == ("reject", {"rspamd": 1.0}, ())


def test_it_lets_a_letter_pass(rspamd: Rspamd) -> None:
    found = screened("Shall we meet on Tuesday?", rspamd)
    assert (found.spam_disposition, list(found.spam_layers), found.unscreened) == ("", ["rspamd"], ())


def test_where_it_is_down_the_embedded_filter_decides() -> None:
    found = screened(GTUBE, Rspamd("http://127.0.0.1:1"))
    assert (found.spam_disposition, found.spam_layers, found.unscreened) == ("reject", {"rules": 1.0}, ("rspamd",))
